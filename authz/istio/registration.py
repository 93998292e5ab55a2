"""How the mesh is told about the authorizer: one entry of MeshConfig.extensionProviders, in every form.

Istio's own defaults are no help here: without `timeout` it waits for ten minutes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from authz.istio import objects

Document = dict[str, Any]

SERVICE = "authz.authz-system.svc.cluster.local"  # of a chart's release `authz`

_TIMEOUT = "2s"  # of one check, its calls to others included; beyond it the caller is better served with 503
_FILTER = "envoy.filters.http.ext_authz"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz"


@dataclass(frozen=True, slots=True)
class Registration:
    """The provider's name, and where it is: a host that Istio knows, without a namespace before it.

    `mesh_config` is the ConfigMap that has to have it, `namespace/name`.
    """

    provider: str = "authz"
    service: str = SERVICE
    port: int = 9191
    mesh_config: str = objects.MESH


def entry(registration: Registration) -> Document:
    """What is listed in `extensionProviders`."""
    return {
        "name": registration.provider,
        "envoyExtAuthzGrpc": {
            "service": registration.service,
            "port": registration.port,
            "timeout": _TIMEOUT,
            "statusOnError": "503",
            "failOpen": False,
        },
    }


def _mesh_config(registration: Registration) -> list[Document]:
    return [{"extensionProviders": [entry(registration)]}]


def _helm(registration: Registration) -> list[Document]:
    return [{"meshConfig": meshconfig} for meshconfig in _mesh_config(registration)]


def _operator(registration: Registration) -> list[Document]:
    kind = {"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator"}
    return [kind | {"spec": values} for values in _helm(registration)]


def _kyma(registration: Registration) -> list[Document]:
    """Kyma's resource has HTTP authorizers only: the filters that come of it are turned to gRPC."""
    authorizer = {
        "name": registration.provider,
        "service": registration.service,
        "port": registration.port,
        "timeout": _TIMEOUT,
    }
    istio = {
        "apiVersion": "operator.kyma-project.io/v1alpha2",
        "kind": "Istio",
        "metadata": {"name": "default", "namespace": "kyma-system"},
        "spec": {"config": {"authorizers": [authorizer]}},
    }
    return [istio, over_grpc(registration)]


def over_grpc(registration: Registration) -> Document:
    """An EnvoyFilter for a mesh whose ext_authz filters, all of them, ask the authorizer over HTTP."""
    merged = {
        "@type": _TYPE,
        "grpc_service": {
            "envoy_grpc": {
                "cluster_name": f"outbound|{registration.port}||{registration.service}",
                "authority": registration.service,
            },
            "timeout": _TIMEOUT,
        },
        "transport_api_version": "V3",
        "status_on_error": {"code": "ServiceUnavailable"},
        "allowed_headers": {"patterns": [{"safe_regex": {"regex": ".*"}}]},
    }
    contexts = ("GATEWAY", "SIDECAR_INBOUND")
    return {
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": f"{registration.provider}-over-grpc", "namespace": "istio-system"},
        "spec": {"configPatches": [_patch(context, merged) for context in contexts]},
    }


def _patch(context: str, merged: Mapping[str, Any]) -> Document:
    manager = "envoy.filters.network.http_connection_manager"
    chain = {"filter": {"name": manager, "subFilter": {"name": _FILTER}}}
    return {
        "applyTo": "HTTP_FILTER",
        "match": {"context": context, "listener": {"filterChain": chain}},
        "patch": {"operation": "MERGE", "value": {"name": _FILTER, "typed_config": dict(merged)}},
    }


FORMS: Mapping[str, Callable[[Registration], list[Document]]] = {
    "meshconfig": _mesh_config,
    "helm": _helm,
    "istiooperator": _operator,
    "kyma": _kyma,
}
