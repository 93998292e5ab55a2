"""What an Envoy is started with, and the files from which a running one takes a change.

Everything static, or with a directory that Envoy watches: a file renamed into it is picked up.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from betterproto2 import Casing, Message
from envoy_data_plane.envoy.config.bootstrap.v3 import (
    Admin,
    Bootstrap,
    BootstrapDynamicResources,
    BootstrapStaticResources,
    LayeredRuntime,
    RuntimeLayer,
)
from envoy_data_plane.envoy.config.cluster.v3 import Cluster
from envoy_data_plane.envoy.config.core.v3 import (
    ApiVersion,
    ConfigSource,
    Node,
    PathConfigSource,
    WatchedDirectory,
)
from envoy_data_plane.envoy.config.listener.v3 import Listener
from envoy_data_plane.envoy.config.route.v3 import RouteConfiguration
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    Rds,
)
from envoy_data_plane.envoy.service.discovery.v3 import DiscoveryResponse
from envoy_data_plane.google.protobuf import Any as Packed
from envoy_data_plane.google.protobuf import Struct

from authz.local import atomic
from authz.local.envoy import clusters
from authz.local.envoy.mesh import Address

# Clusters first: Envoy refuses a listener that asks an authorizer it has not heard of.
CLUSTERS, LISTENERS = "cds.pb", "lds.pb"

MANAGER = "envoy.filters.network.http_connection_manager"

# Istio's own limit; Envoy's default of 100 would refuse an ordinary path expression.
RUNTIME = {"re2.max_program_size.error_level": 32768}


@dataclass(frozen=True, slots=True)
class Proxy:
    """All that one Envoy does."""

    listeners: tuple[Listener, ...]
    clusters: tuple[Cluster, ...]


def bootstrap(proxy: Proxy, admin_port: int, node: str, xds_dir: Path | None = None) -> dict[str, Any]:
    """The start-up configuration as JSON. With `xds_dir` the proxy is read from there: `publish` it first."""
    start = Bootstrap(
        node=Node(id=node, cluster=node),
        admin=Admin(address=clusters.address(Address("127.0.0.1", admin_port))),
        layered_runtime=LayeredRuntime(
            layers=[RuntimeLayer(name="static", static_layer=Struct.from_dict(RUNTIME))]
        ),
    )
    if xds_dir is None:
        start.static_resources = BootstrapStaticResources(
            listeners=list(proxy.listeners), clusters=list(proxy.clusters)
        )
    else:
        start.dynamic_resources = BootstrapDynamicResources(
            lds_config=_watched(xds_dir, LISTENERS), cds_config=_watched(xds_dir, CLUSTERS)
        )
    return as_json(start)


def publish(proxy: Proxy, xds_dir: Path) -> dict[str, str]:
    """Write the files of a watched directory. By discovery service, the version that its Envoy then shows.

    The gateway's routes apart, as istiod has them: when they change, no connection ends.
    """
    tables: list[RouteConfiguration] = []
    listeners = [_apart(listener, tables, xds_dir) for listener in proxy.listeners]
    made = {
        CLUSTERS: _response(proxy.clusters),
        **{f"rds.{table.name}.pb": _response([table]) for table in tables},
        LISTENERS: _response(listeners),
    }
    for name, response in made.items():
        atomic.write(xds_dir / name, bytes(response))  # JSON takes many times as long
    return {name.removesuffix(".pb"): response.version_info for name, response in made.items()}


def _apart(listener: Listener, tables: list[RouteConfiguration], xds_dir: Path) -> Listener:
    """The same, with its routes elsewhere; the gateway's alone, for a sidecar's never change."""
    if listener.name != "gateway":
        return listener
    made = Listener.parse(bytes(listener))
    for held in (one for chain in made.filter_chains for one in chain.filters):
        if held.name == MANAGER and held.typed_config is not None:
            manager = HttpConnectionManager.parse(held.typed_config.value)
            if manager.route_config is not None:
                name = manager.route_config.name
                tables.append(manager.route_config)
                source = _watched(xds_dir, f"rds.{name}.pb")
                manager.rds = Rds(config_source=source, route_config_name=name)
                manager.route_config = None
                held.typed_config = Packed.pack(manager)
    return made


def _response(resources: Iterable[Message]) -> DiscoveryResponse:
    packed = [Packed.pack(resource) for resource in resources]
    digest = sha256(b"".join(map(bytes, packed))).hexdigest()
    return DiscoveryResponse(resources=packed, version_info=digest)


def as_json(message: Message) -> dict[str, Any]:
    """A message in proto3 JSON, with the field names of Envoy's documentation."""
    return message.to_dict(casing=Casing.SNAKE)


def _watched(xds_dir: Path, name: str) -> ConfigSource:
    source = PathConfigSource(path=str(xds_dir / name), watched_directory=WatchedDirectory(path=str(xds_dir)))
    return ConfigSource(path_config_source=source, resource_api_version=ApiVersion.V3)
