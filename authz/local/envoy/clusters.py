"""Where each Envoy sends requests to: sidecars over mTLS, applications and authorizers in plain text.

Every address is static, for on a laptop nothing has to be discovered.
"""

from datetime import timedelta

from betterproto2 import Message
from envoy_data_plane.envoy.config.cluster.v3 import Cluster, ClusterDiscoveryType
from envoy_data_plane.envoy.config.core.v3 import Address as EnvoyAddress
from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    Http2ProtocolOptions,
    SocketAddress,
    TransportSocket,
)
from envoy_data_plane.envoy.config.endpoint.v3 import (
    ClusterLoadAssignment,
    Endpoint,
    LbEndpoint,
    LocalityLbEndpoints,
)
from envoy_data_plane.envoy.extensions.transport_sockets.tls.v3 import (
    CertificateValidationContext,
    CommonTlsContext,
    SubjectAltNameMatcher,
    SubjectAltNameMatcherSanType,
    TlsCertificate,
    UpstreamTlsContext,
)
from envoy_data_plane.envoy.extensions.upstreams.http.v3 import (
    HttpProtocolOptions,
    HttpProtocolOptionsExplicitHttpConfig,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any

from authz.local.envoy.mesh import Address, Identity, Mesh, Provider, Workload

CONNECT_TIMEOUT = timedelta(seconds=1)  # everything is on loopback
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def provider_cluster(provider: Provider) -> str:
    """The name istiod gives the cluster of an extension provider."""
    return f"outbound|{provider.port}||{provider.service}"


def authorizer(provider: Provider) -> Cluster:
    """The authorizer, over gRPC and so HTTP/2."""
    h2 = HttpProtocolOptionsExplicitHttpConfig(http2_protocol_options=Http2ProtocolOptions())
    options = {HTTP_OPTIONS: Any.pack(HttpProtocolOptions(explicit_http_config=h2))}
    cluster = _cluster(provider_cluster(provider), provider.address)
    cluster.typed_extension_protocol_options = options
    return cluster


def outbound(workload: Workload, mesh: Mesh) -> Cluster:
    """From the gateway to a workload's sidecar, which must prove the identity it should have."""
    expected = SubjectAltNameMatcher(
        san_type=SubjectAltNameMatcherSanType.URI,
        matcher=StringMatcher(exact="spiffe://" + mesh.sidecar_identity.principal),
    )
    context = tls(mesh, mesh.gateway_identity, ["istio"], [expected])
    sni = f"outbound_.{workload.port}_._.{workload.host}"
    cluster = _cluster("outbound|" + workload.key, workload.listen)
    cluster.transport_socket = transport(UpstreamTlsContext(common_tls_context=context, sni=sni))
    return cluster


def inbound(workload: Workload) -> Cluster:
    """From a sidecar to its application."""
    return _cluster("inbound|" + workload.key, workload.application)


def tls(
    mesh: Mesh, identity: Identity, alpn: list[str], expected: list[SubjectAltNameMatcher]
) -> CommonTlsContext:
    """Show this identity, and take nobody whom the mesh's CA does not vouch for."""
    certificate = TlsCertificate(
        certificate_chain=DataSource(filename=str(identity.certificate)),
        private_key=DataSource(filename=str(identity.key)),
    )
    validation = CertificateValidationContext(
        trusted_ca=DataSource(filename=str(mesh.ca)), match_typed_subject_alt_names=expected
    )
    return CommonTlsContext(
        tls_certificates=[certificate], validation_context=validation, alpn_protocols=alpn
    )


def transport(context: Message) -> TransportSocket:
    """A TLS socket, of either side."""
    return TransportSocket(name="envoy.transport_sockets.tls", typed_config=Any.pack(context))


def address(where: Address) -> EnvoyAddress:
    """Our address as Envoy's."""
    return EnvoyAddress(socket_address=SocketAddress(address=where.host, port_value=where.port))


def _cluster(name: str, where: Address) -> Cluster:
    endpoint = LbEndpoint(endpoint=Endpoint(address=address(where)))
    return Cluster(
        name=name,
        type=ClusterDiscoveryType.STATIC,
        connect_timeout=CONNECT_TIMEOUT,
        load_assignment=ClusterLoadAssignment(
            cluster_name=name, endpoints=[LocalityLbEndpoints(lb_endpoints=[endpoint])]
        ),
    )
