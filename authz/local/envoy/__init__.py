"""From rendered Istio resources to the configuration of real Envoys, with istiod's order and meaning.

Nothing here knows an APIRule, starts a process or reads a file: resources and a mesh in, messages out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envoy_data_plane.envoy.config.cluster.v3 import Cluster

from authz.local.envoy import clusters, document, filters, listeners, routes
from authz.local.envoy.bootstrap import Proxy, bootstrap, publish
from authz.local.envoy.document import Document, Unsupported
from authz.local.envoy.mesh import Address, Gateway, Identity, Mesh, Provider, Workload

__all__ = [
    "Address",
    "Compiled",
    "Gateway",
    "Identity",
    "Mesh",
    "Provider",
    "Proxy",
    "Unsupported",
    "Workload",
    "bootstrap",
    "compile",
    "publish",
]


@dataclass(frozen=True, slots=True)
class Compiled:
    """The two Envoys: the gateway, and one that stands for the sidecars of all workloads."""

    gateway: Proxy
    sidecar: Proxy


def compile(resources: Iterable[Mapping[str, Any]], mesh: Mesh) -> Compiled:  # noqa: A001 - `envoy.compile`
    """What istiod would tell the two proxies. Raises Unsupported for what they would not do as Istio does."""
    documents = document.read(resources)
    filters.chain(documents, mesh)  # a mistake is one even in a policy that selects nobody here
    return Compiled(gateway=_gateway(documents, mesh), sidecar=_sidecar(documents, mesh))


def _gateway(documents: Sequence[Document], mesh: Mesh) -> Proxy:
    virtual_services = [each for each in documents if each.kind == "VirtualService"]
    table = routes.configuration(virtual_services, mesh.workloads, mesh.gateway.listen.port)
    chain = filters.chain(_selecting(documents, mesh, mesh.gateway.namespace, mesh.gateway.labels), mesh)
    upstreams = (clusters.outbound(workload, mesh) for workload in mesh.workloads)
    return Proxy((listeners.gateway(mesh, chain, table),), (*_authorizers(mesh), *upstreams))


def _sidecar(documents: Sequence[Document], mesh: Mesh) -> Proxy:
    chains = (
        filters.chain(_selecting(documents, mesh, workload.namespace, workload.labels), mesh)
        for workload in mesh.workloads
    )
    inbound = zip(mesh.workloads, chains, strict=True)
    return Proxy(
        tuple(listeners.sidecar(mesh, chain, workload) for workload, chain in inbound),
        (*_authorizers(mesh), *(clusters.inbound(workload) for workload in mesh.workloads)),
    )


def _selecting(
    documents: Sequence[Document], mesh: Mesh, namespace: str, labels: Mapping[str, str]
) -> list[Document]:
    policies = (each for each in documents if each.kind != "VirtualService")
    return [each for each in policies if each.selects(namespace, labels, mesh.root_namespace)]


def _authorizers(mesh: Mesh) -> Iterable[Cluster]:
    return (clusters.authorizer(provider) for provider in mesh.providers.values())
