"""The two kinds of listener: the gateway's front door, and a sidecar's inbound side behind mTLS.

The connection managers say what istiod's say; only the access log is our own.
"""

from datetime import timedelta

from betterproto2 import Message
from envoy_data_plane.envoy.config.accesslog.v3 import AccessLog
from envoy_data_plane.envoy.config.core.v3 import Http1ProtocolOptions, SubstitutionFormatString
from envoy_data_plane.envoy.config.listener.v3 import Filter, FilterChain, Listener
from envoy_data_plane.envoy.config.route.v3 import (
    RetryPolicy,
    Route,
    RouteAction,
    RouteActionMaxStreamDuration,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.access_loggers.file.v3 import FileAccessLog
from envoy_data_plane.envoy.extensions.access_loggers.stream.v3 import StdoutAccessLog
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import (
    HttpConnectionManager,
    HttpConnectionManagerForwardClientCertDetails,
    HttpConnectionManagerPathWithEscapedSlashesAction,
    HttpConnectionManagerSetCurrentClientCertDetails,
    HttpConnectionManagerUpgradeConfig,
    HttpFilter,
    RequestIdExtension,
)
from envoy_data_plane.envoy.extensions.request_id.uuid.v3 import UuidRequestIdConfig
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import DownstreamTlsContext
from envoy_data_plane.google.protobuf import Any, Struct

from authz.local.envoy import clusters, routes
from authz.local.envoy.mesh import Mesh, Workload

# One JSON object a line. The path goes without its query, which may hold credentials.
LOG_FIELDS = {
    "request_id": "%REQ(X-REQUEST-ID)%",
    "method": "%REQ(:METHOD)%",
    "authority": "%REQ(:AUTHORITY)%",
    "path": "%PATH(NQ:ORIG_OR_PATH)%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "body": f"%METADATA(ROUTE:{routes.LOGGED}:body)%",  # of a direct response
    "flags": "%RESPONSE_FLAGS%",
    "duration_ms": "%DURATION%",
}
FOREVER = timedelta(0)  # how Envoy spells "no limit"


def gateway(mesh: Mesh, http_filters: list[HttpFilter], table: RouteConfiguration) -> Listener:
    """The front door, in plain text: it says itself who the caller is."""
    manager = _manager(mesh, "gateway", http_filters, table)
    manager.use_remote_address = True
    manager.http_protocol_options = Http1ProtocolOptions()
    manager.forward_client_cert_details = HttpConnectionManagerForwardClientCertDetails.SANITIZE_SET
    manager.set_current_client_cert_details = HttpConnectionManagerSetCurrentClientCertDetails(
        subject=True, cert=True, dns=True, uri=True
    )
    chain = FilterChain(filters=[_network(manager)])
    return Listener(name="gateway", address=clusters.address(mesh.gateway.listen), filter_chains=[chain])


def sidecar(mesh: Mesh, http_filters: list[HttpFilter], workload: Workload) -> Listener:
    """A workload's only way in: callers must show a certificate of the mesh (PeerAuthentication STRICT)."""
    manager = _manager(mesh, "sidecar", http_filters, _to_application(workload))
    manager.use_remote_address = False
    manager.forward_client_cert_details = HttpConnectionManagerForwardClientCertDetails.APPEND_FORWARD
    manager.set_current_client_cert_details = HttpConnectionManagerSetCurrentClientCertDetails(
        subject=True, dns=True, uri=True
    )
    context = clusters.tls(mesh, mesh.sidecar_identity, ["h2", "http/1.1"], [])
    mutual = DownstreamTlsContext(common_tls_context=context, require_client_certificate=True)
    chain = FilterChain(filters=[_network(manager)], transport_socket=clusters.transport(mutual))
    name, where = "inbound|" + workload.key, clusters.address(workload.listen)
    return Listener(name=name, address=where, filter_chains=[chain])


def _manager(
    mesh: Mesh, proxy: str, http_filters: list[HttpFilter], table: RouteConfiguration
) -> HttpConnectionManager:
    return HttpConnectionManager(
        stat_prefix=proxy,
        server_name="istio-envoy",
        route_config=table,
        http_filters=http_filters,
        access_log=[_access_log(mesh, proxy)],
        proxy_100_continue=True,
        upgrade_configs=[HttpConnectionManagerUpgradeConfig(upgrade_type="websocket")],
        stream_idle_timeout=FOREVER,
        normalize_path=True,
        path_with_escaped_slashes_action=HttpConnectionManagerPathWithEscapedSlashesAction.KEEP_UNCHANGED,
        request_id_extension=RequestIdExtension(
            typed_config=Any.pack(UuidRequestIdConfig(use_request_id_for_trace_sampling=True))
        ),
    )


def _to_application(workload: Workload) -> RouteConfiguration:
    action = RouteAction(
        cluster="inbound|" + workload.key,
        timeout=FOREVER,
        retry_policy=RetryPolicy(retry_on="reset-before-request", num_retries=2),
        max_stream_duration=RouteActionMaxStreamDuration(
            max_stream_duration=FOREVER, grpc_timeout_header_max=FOREVER
        ),
    )
    route = Route(name="default", match=RouteMatch(prefix="/"), route=action)
    host = VirtualHost(name=f"inbound|http|{workload.port}", domains=["*"], routes=[route])
    return RouteConfiguration(name="inbound|" + workload.key, virtual_hosts=[host], validate_clusters=False)


def _access_log(mesh: Mesh, proxy: str) -> AccessLog:
    line = SubstitutionFormatString(json_format=Struct.from_dict({"proxy": proxy, **LOG_FIELDS}))
    if mesh.access_log is None:
        sink: Message = StdoutAccessLog(log_format=line)
    else:
        sink = FileAccessLog(path=str(mesh.access_log), log_format=line)
    return AccessLog(name="access", typed_config=Any.pack(sink))


def _network(manager: HttpConnectionManager) -> Filter:
    return Filter(name="envoy.filters.network.http_connection_manager", typed_config=Any.pack(manager))
