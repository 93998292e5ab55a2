"""The whole thing, running: identity provider, workloads, authorizer, two Envoys; each can be stopped.

It starts and stops; what is to run is worked out in `plan`, what is to be said in `up` and `demo`.
"""

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from authz.core.reason import Unavailable
from authz.local import atomic, plan, ports, sign_in, site
from authz.local.envoy import Compiled
from authz.local.envoys import Envoys
from authz.local.failure import CannotRun
from authz.local.idp.app import app
from authz.local.idp.issuer import Issuer
from authz.local.parts import Heard, Parts, unheard
from authz.local.plan import Plan
from authz.local.ports import LOOPBACK, Ports
from authz.local.sign_in import SignIn
from authz.local.site import Places
from authz.server import ruleset
from authz.sources.http import Client


class Laptop:
    """An async context. `heard` gets the name of a part and each line that it writes.

    Once it is entered, `parts` are those that must go on: gateway, sidecar, and who signs people in.

    With `signing_in`, Keycloak and oauth2-proxy run too, for rules that have people sign in.

    Raises CannotRun: at once for bad files, on entering where a port is taken or a part does not come up.
    """

    CAST = "two Envoys, an authorizer, an identity provider"

    def __init__(
        self,
        sources: Sequence[Path],
        offset: int = 0,
        heard: Heard = unheard,
        signing_in: SignIn | None = None,
    ) -> None:
        self.ports = Ports().moved(offset)
        self.issuer = Issuer(f"http://{LOOPBACK}:{self.ports.idp}")
        self.plan = plan.read(sources, offset)
        self.signing_in = signing_in
        self._sources = sources
        self._offset = offset
        sign_in.check(self.plan, signing_in)
        self._places = site.numbered(self.plan.backends, {})
        self._keys: dict[str, str] = {}
        self._stack = AsyncExitStack()
        self._heard = heard

    async def __aenter__(self) -> Self:
        if messages := ports.taken(self._wanted):
            raise CannotRun([*messages, ports.ADVICE])
        async with self._stack:
            await self._start()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def reload(self) -> None:
        """Read the files again. Raises CannotRun, and then all stays as it was."""
        new = plan.read(self._sources, self._offset)
        sign_in.check(new, self.signing_in, self.plan)
        places = site.numbered(new.backends, self._places)
        compiled = await self._compile(new, places)
        await self._serve_workloads(places)
        self.plan, self._places = new, places
        self._tell_authorizer()
        await self._envoys.publish(compiled)

    async def rotate_keys(self) -> None:
        """A new key at the provider, which the mesh learns of as it would from istiod.

        The authorizer asks for it once it may ask again.
        """
        self.issuer.rotate()
        await self.refresh_keys()
        await asyncio.sleep(self.plan.loaded.config.sources.refresh_cooldown)

    async def refresh_keys(self) -> None:
        """Give the mesh the keys that are published now."""
        await self._envoys.publish(await self._compile(self.plan, self._places))

    async def stop_idp(self) -> None:
        """The identity provider no longer answers."""
        await self._idp.stop()

    async def stop_authorizer(self) -> None:
        """The authorizer is gone."""
        await self._authorizer.stop()

    @property
    def _wanted(self) -> list[tuple[int, str]]:
        return self.ports.wanted(len(self._places), sign_in=self.signing_in is not None)

    async def _start(self) -> None:
        self._directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="authz-")))
        plan.site(self.plan, self.ports, self._certificates).issue()
        self._client = Client()
        self._stack.push_async_callback(self._client.close)
        self._running = Parts(await self._stack.enter_async_context(AsyncExitStack()), self._heard)
        self._envoys = Envoys(self._directory, self.ports, self._running)
        self._idp = await self._running.serve(app(self.issuer), self.ports.idp)
        if self.signing_in:
            await self.signing_in.start(self.plan, self.ports, self._directory, self._running.run)
        compiled = await self._compile(self.plan, self._places)
        await self._serve_workloads(self._places)
        self._tell_authorizer()
        settings = str(self._directory / ruleset.CONFIG_KEY)
        serve = [sys.executable, "-m", "authz", "serve", "--config", settings]
        self._authorizer = await self._running.run("authorizer", serve)
        await self._envoys.start(compiled)
        self.parts = (*self._envoys.parts, *(self.signing_in.parts if self.signing_in else ()))
        await self._authorizer.ready(f"http://{LOOPBACK}:{self.ports.authorizer}/readyz")

    async def _serve_workloads(self, places: Places) -> None:
        for backend, place in places.items():
            if not self.plan.signs_in(backend):
                await self._running.echo(backend[0], self.ports.echo + place)

    @property
    def _certificates(self) -> Path:
        return self._directory / "certs"

    async def _compile(self, new: Plan, places: Places) -> Compiled:
        await self._fetch_keys(new)
        return plan.compiled(new, self.ports, self._certificates, places, self._keys)

    def _tell_authorizer(self) -> None:
        for name, text in plan.authorizer_files(self.plan, self.ports).items():
            atomic.write(self._directory / name, text)

    async def _fetch_keys(self, new: Plan) -> None:
        """For the mesh. Where no answer comes the last keys stay; without any, no token passes."""
        for uri in new.jwks_uris:
            try:
                self._keys[uri] = (await self._client.get(uri)).decode()
            except Unavailable as error:
                self._heard("mesh", str(error))
