"""What a translation has to know of the cluster: a snapshot, taken once and passed as a value.

Documents of other kinds, and broken ones, are left out: what then is missing is reported by name.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import yaml

from authz.istio import apirule, hosts
from authz.istio.apirule import APIRule
from authz.istio.hosts import Gateway
from authz.istio.problem import Invalid, Problem

Document = Mapping[str, Any]

_MESH = ("istio-system", "istio")  # istiod's own configuration


@dataclass(frozen=True, slots=True)
class Settings:
    """How this mesh names the authorizer and its gateway's pods."""

    provider: str = "authz"
    gateway_selector: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({"istio": "ingressgateway"})
    )
    gateway_principal: str = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"

    @property
    def gateway_namespace(self) -> str:
        """Of the gateway's pods: a SPIFFE identity is `<trust domain>/ns/<namespace>/sa/<name>`."""
        return self.gateway_principal.split("/")[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """`services` and `gateways` are named `namespace/name`. No `providers` if the mesh is not known."""

    services: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    providers: frozenset[str] | None = None
    owners: Mapping[str, APIRule] = field(default_factory=dict)
    authorizers: frozenset[str] = frozenset()
    identity_headers: frozenset[str] = frozenset()
    settings: Settings = Settings()


def parse(
    documents: Iterable[Document],
    authorizers: Iterable[str] = (),
    identity_headers: Iterable[str] = (),
    settings: Settings = Settings(),
) -> Cluster:
    """Raises Invalid where the mesh's configuration is not YAML."""
    documents = list(documents)
    gateways = {
        _key(document): _gateway(document) for document in _of(documents, "Gateway", "networking.istio.io")
    }
    return Cluster(
        services={
            _key(document): _spec(document).get("selector") or {}
            for document in _of(documents, "Service", "v1")
        },
        gateways=gateways,
        providers=_providers(documents),
        owners=hosts.owners(_rules(documents), gateways),
        authorizers=frozenset(authorizers),
        identity_headers=frozenset(identity_headers),
        settings=settings,
    )


def _of(documents: Iterable[Document], kind: str, group: str) -> list[Document]:
    """A kind is only unique within its group: the Gateway API has Gateways too."""
    return [
        document
        for document in documents
        if document.get("kind") == kind and str(document.get("apiVersion")).split("/")[0] == group
    ]


def _key(document: Document) -> str:
    metadata = document.get("metadata") or {}
    return f"{metadata.get('namespace', 'default')}/{metadata.get('name')}"


def _spec(document: Document) -> Document:
    return document.get("spec") or {}


def _gateway(document: Document) -> Gateway:
    servers = _spec(document).get("servers") or ()
    return Gateway(
        hosts=tuple(tuple(server["hosts"]) for server in servers if server.get("hosts")),
        ports=frozenset(server["port"]["number"] for server in servers),
        selector=_spec(document).get("selector") or {},
    )


def _providers(documents: Iterable[Document]) -> frozenset[str] | None:
    for document in _of(documents, "ConfigMap", "v1"):
        if _key(document) == "/".join(_MESH):
            return _provider_names((document.get("data") or {}).get("mesh", ""))
    return None


def _provider_names(mesh: str) -> frozenset[str]:
    try:
        loaded = yaml.safe_load(mesh) or {}
        return frozenset(provider["name"] for provider in loaded.get("extensionProviders") or ())
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise Invalid(
            [Problem("data.mesh", "ConfigMap istio-system/istio holds no mesh configuration")]
        ) from error


def _rules(documents: Iterable[Document]) -> Iterable[APIRule]:
    for document in _of(documents, "APIRule", apirule.GROUP):
        try:
            yield apirule.parse(document)
        except Invalid:
            continue  # reported to its own author; its hosts are not served
