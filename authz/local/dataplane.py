"""Two Envoys that do what the Istio objects in an API server say, as istiod would have them do it.

It only reads: whoever writes those objects, `authz controller` or a person with kubectl, is followed.
"""

import asyncio
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from authz.controller import kinds
from authz.controller.api import Api
from authz.controller.kinds import Document, Kind
from authz.controller.kubeconfig import Access
from authz.controller.watch import Store, Watch
from authz.core.reason import Unavailable
from authz.local import envoy, istiod, site
from authz.local.envoy import Compiled, Unsupported
from authz.local.envoys import Envoys
from authz.local.failure import CannotRun
from authz.local.istiod import Registry
from authz.local.parts import Heard, Parts, unheard
from authz.local.process import Process
from authz.local.site import Places, Site
from authz.sources.http import Client

GATHER_S = 0.02  # changes that come together are told together; istiod waits for 0.1 s
KEYS_S = 1.0  # between looks at the issuers' keys; nobody here wants to wait for istiod's 20 minutes

KINDS = (
    kinds.SERVICES,
    kinds.GATEWAYS,
    kinds.MESH,
    kinds.VIRTUAL_SERVICES,
    replace(kinds.POLICIES, labels=""),
    replace(kinds.AUTHENTICATIONS, labels=""),
)


class DataPlane:
    """An async context: once it is entered, the Envoys do what is there, and they follow.

    `heard` gets what they write, and as "mesh" what can not be done as Istio does it: then all stays as it
    was. Entering raises CannotRun where a port is taken, or an Envoy can not do what is there.
    """

    def __init__(self, access: Access, ground: Site, heard: Heard = unheard, drain_s: int = 0) -> None:
        self._access = access
        self._site = ground
        self._heard = heard
        self._drain_s = drain_s
        self._news, self._issuers = asyncio.Event(), asyncio.Event()
        self._stores = {kind: Store[Document](_titled(kind), self._changed) for kind in KINDS}
        self._registry = Registry((), {}, {})
        self._places: Places = {}
        self._keys: dict[str, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    @property
    def parts(self) -> tuple[Process, ...]:
        """The gateway and the sidecar, which must go on."""
        return self._envoys.parts

    async def __aenter__(self) -> Self:
        async with self._stack:
            await self._start()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def broken(self) -> None:
        """Returns never; raises what has kept it from following."""
        await asyncio.gather(*self._tasks)

    async def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="authz-")))
        self._site.issue()
        api, self._client = Api(self._access), Client()
        self._stack.push_async_callback(api.close)
        self._stack.push_async_callback(self._client.close)
        programs = await self._stack.enter_async_context(AsyncExitStack())
        self._programs = Parts(programs, self._heard)
        self._envoys = Envoys(folder, self._site.ports, self._programs, self._drain_s)
        watches = [Watch(api, kind, store) for kind, store in self._stores.items()]
        self._keep_on(watch.run() for watch in watches)
        for watch in watches:
            await watch.synced.wait()
        try:
            self._registry = self._read()
            await self._envoys.start(await self._compiled(self._registry))
        except Unsupported as error:
            raise CannotRun([str(error)]) from error
        self._keep_on((self._follow(), self._follow_keys()))

    def _keep_on(
        self, loops: Iterator[Coroutine[Any, Any, None]] | tuple[Coroutine[Any, Any, None], ...]
    ) -> None:
        for loop in loops:
            task = asyncio.create_task(loop)
            self._tasks.append(task)
            self._stack.push_async_callback(_cancelled, task)

    def _changed(self, _key: str, _old: Document | None, _new: Document | None) -> None:
        self._news.set()

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            await asyncio.sleep(GATHER_S)
            self._news.clear()
            try:
                await self._tell(self._read())
            except (Unsupported, CannotRun) as error:
                self._heard("mesh", f"nothing is changed: {error}")

    def _read(self) -> Registry:
        """What is there now. Raises Unsupported."""
        documents = [document for store in self._stores.values() for document in store.known.values()]
        return istiod.read(documents, self._site)

    async def _tell(self, found: Registry) -> None:
        """No route is there before its guards, and none after them. Raises Unsupported or CannotRun."""
        # istiod, too, has the keys before it tells a proxy of their issuer.
        await asyncio.gather(*map(self._fetch, found.jwks_uris - self._keys.keys()))
        compiled = await self._compiled(found)
        if left := self._registry.before(found):
            await self._envoys.tell("gateway", (await self._compiled(left)).gateway)
        await self._envoys.publish(compiled)
        if found.jwks_uris != self._registry.jwks_uris:
            self._issuers.set()
        self._registry = found

    async def _compiled(self, registry: Registry) -> Compiled:
        """For the two Envoys, with a workload behind each Service. Raises Unsupported."""
        self._places = site.numbered(sorted(registry.backends), self._places)
        for backend in registry.backends.keys() - self._site.addresses.keys():
            await self._programs.echo(backend[0], self._site.ports.echo + self._places[backend])
        workloads = (
            self._site.workload(backend, labels, self._places[backend])
            for backend, labels in registry.backends.items()
        )
        return envoy.compile(registry.resources, self._site.mesh(workloads, registry.providers, self._keys))

    async def _follow_keys(self) -> None:
        while True:
            known = dict(self._keys)
            await asyncio.gather(*map(self._fetch, self._registry.jwks_uris))
            if known != self._keys:
                self._news.set()
            self._issuers.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._issuers.wait(), KEYS_S)

    async def _fetch(self, uri: str) -> None:
        """The last keys stay where no answer comes; without any, no token passes."""
        with suppress(Unavailable):
            self._keys[uri] = (await self._client.get(uri)).decode()


def _titled(kind: Kind) -> Callable[[Document], Document]:
    """A list of the API's own kinds leaves out what they are."""
    return lambda document: {"apiVersion": kind.api_version, "kind": kind.name, **document}


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
