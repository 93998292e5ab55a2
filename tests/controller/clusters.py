"""A controller at work on a real API server, for the slow tests and the benchmarks of this room."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, TypeVar

from authz import config
from authz.controller import kubeconfig
from authz.controller.api import Api, Refused, Unreachable
from authz.controller.controller import Controller
from authz.controller.kinds import (
    APIRULES,
    AUTHENTICATIONS,
    GATEWAYS,
    MESH,
    POLICIES,
    SERVICES,
    VIRTUAL_SERVICES,
    Document,
    Kind,
)
from authz.controller.kubeconfig import Access
from authz.controller.run import made
from tests.kube.server import ApiServer

NAMESPACES = ("default", "istio-system", "authz-system", "shop", "monitoring")
PATIENCE_S = 60.0

T = TypeVar("T")

SETTINGS = config.parse("""
istio: {provider: authz}
controller: {guardsOutlive: 1ms}
authorizers:
  - name: ours
    accept: [{jwt: {issuer: "https://idp.example.com", audiences: [shop]}}]
""")

KINDS = {
    kind.name: kind for kind in (APIRULES, SERVICES, GATEWAYS, VIRTUAL_SERVICES, POLICIES, AUTHENTICATIONS)
}


def prepare(server: ApiServer) -> Access:
    """Namespaces, a gateway for every host, the mesh's configuration and two services."""
    for name in NAMESPACES:
        server.namespace(name)
    for document in (gateway(), mesh(), service("s1", {"app": "one"}), service("s2", {"app": "two"})):
        server.apply(document)
    return kubeconfig.read(server.kubeconfig)


def gateway() -> Document:
    ports = {"number": 443, "name": "https", "protocol": "HTTP"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [{"port": ports, "hosts": ["*"]}]}
    return document("networking.istio.io/v1", "Gateway", "main", "istio-system", spec=spec)


def mesh(providers: str = "[{name: authz}, {name: other}]") -> Document:
    return document(
        "v1", "ConfigMap", "istio", "istio-system", data={"mesh": f"extensionProviders: {providers}"}
    )


def service(name: str, selector: dict[str, str], namespace: str = "shop") -> Document:
    return document(
        "v1", "Service", name, namespace, spec={"selector": selector, "ports": [{"name": "http", "port": 80}]}
    )


def apirule(name: str, access: Document | Iterable[Document], host: str = "", **spec: Any) -> Document:
    """One rule for all paths, or those that are given."""
    rules = [access] if isinstance(access, dict) else list(access)
    whole = {"path": "/*", "methods": ["GET"], "service": {"name": "s1", "port": 80}}
    spec = {
        "hosts": [host or f"{name}.example.com"],
        "gateway": "istio-system/main",
        "rules": [whole | rule for rule in rules],
    } | spec
    return document("gateway.kyma-project.io/v2", "APIRule", name, "shop", spec=spec)


def document(api_version: str, kind: str, name: str, namespace: str, **parts: Any) -> Document:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
    } | parts


PUBLIC: Document = {"noAuth": True}
JWT: Document = {"jwt": {"authentications": [{"issuer": "https://i", "jwksUri": "https://i/keys"}]}}
EXT: Document = {"extAuth": {"authorizers": ["ours"]}}


class Cluster:
    """What a test does to it, and sees of it, as its administrator."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.api = Api(access)

    async def apply(self, document: Document) -> Document:
        return await persistently(lambda: self.api.apply(KINDS.get(document["kind"], MESH), document))

    async def get(self, kind: Kind, key: str) -> Document | None:
        return await unless_gone(lambda: self.api.get(kind, key))

    async def all(self, kind: Kind) -> list[Document]:
        found: list[Document] = []
        query = {"limit": "500"}
        while True:
            page = await self.api.list(Kind(kind.api_version, kind.name, kind.plural), query)
            found += page.get("items") or ()
            if not (more := page["metadata"].get("continue")):
                return found
            query = query | {"continue": more}

    async def settled(self, key: str) -> Document:
        """The APIRule, once its status is about its last version."""

        async def look() -> Document | None:
            found = await self.get(APIRULES, key)
            status = (found or {}).get("status", {})
            if found and status.get("observedGeneration") == found["metadata"]["generation"]:
                return found if status["state"] != "Processing" else None
            return None

        return await eventually(look)

    async def ready(self, key: str) -> Document:
        """The APIRule, once its last version is in force: others may have to leave first."""

        async def look() -> Document | None:
            found = await self.settled(key)
            return found if found["status"]["state"] == "Ready" else None

        return await eventually(look, 4 * PATIENCE_S)

    async def delete(self, kind: Kind, key: str) -> None:
        """And wait until it has gone."""
        await unless_gone(lambda: self.api.delete(kind, key))
        await self.gone(kind, key)

    async def gone(self, kind: Kind, key: str) -> None:
        async def look() -> bool:
            return await self.get(kind, key) is None

        await eventually(look)


async def unless_gone(call: Callable[[], Awaitable[T]]) -> T | None:
    """None if there is no such object."""
    try:
        return await persistently(call)
    except Refused as refused:
        if refused.status != 404:
            raise
        return None


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """Also while the API server is away."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return await call()
        except Unreachable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)


async def eventually(look: Callable[[], Awaitable[T | None]], patience_s: float = PATIENCE_S) -> T:
    """What `look` gives, once it is something."""
    deadline = time.monotonic() + patience_s
    while True:
        if found := await look():
            return found
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def controlled(access: Access, settings: config.Config = SETTINGS) -> AsyncIterator[Controller]:
    """While it runs, and leads."""
    controller, stop = made(settings, access), asyncio.Event()
    task = asyncio.create_task(controller.run(stop))
    try:
        await controller.election.until(leads=True)
        yield controller
    finally:
        stop.set()
        await task


@contextlib.asynccontextmanager
async def entered(access: Access) -> AsyncIterator[Cluster]:
    cluster = Cluster(access)
    try:
        yield cluster
    finally:
        await cluster.api.close()
