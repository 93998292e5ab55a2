"""What a translation has to know of the cluster: a snapshot, taken once and passed as a value.

Documents of other kinds are left out, and broken ones with a problem: they stop nobody else.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from authz.core.policy import Authorizer
from authz.istio import apirule, hosts, login, objects, services, strangers, syntax
from authz.istio.apirule import APIRule
from authz.istio.hosts import Gateway
from authz.istio.login import Login
from authz.istio.objects import Document
from authz.istio.problem import Invalid, Problem
from authz.istio.services import Service
from authz.istio.strangers import NOBODY, Strangers

_AUTHORIZERS = {"envoyExtAuthzGrpc", "envoyExtAuthzHttp"}


@dataclass(frozen=True, slots=True)
class Settings:
    """How this mesh names the authorizer and its gateway's pods.

    `foreign_services`: whether APIRules may lead to Services of other namespaces that say nothing of it.
    `mesh_config`: the ConfigMap with Istio's own settings, `namespace/name`.
    """

    provider: str
    gateway_selector: Mapping[str, str]
    gateway_principal: str
    foreign_services: Literal["Allow", "Refuse"] = "Allow"
    mesh_config: str = objects.MESH

    @property
    def gateway_namespace(self) -> str:
        """Of the gateway's pods: a SPIFFE identity is `<trust domain>/ns/<namespace>/sa/<name>`."""
        return self.gateway_principal.split("/")[2]


@dataclass(frozen=True, slots=True)
class Cluster:
    """`services` and `gateways` are named `namespace/name`, `logins` by authorizer.

    No `providers` if the mesh is not known; with each one's name stands what makes it useless for an
    APIRule, or "".
    """

    settings: Settings
    services: Mapping[str, Service] = field(default_factory=dict)
    gateways: Mapping[str, Gateway] = field(default_factory=dict)
    providers: Mapping[str, str] | None = None
    strangers: Strangers = NOBODY
    owners: Mapping[str, APIRule] = field(default_factory=dict)
    authorizers: frozenset[str] = frozenset()
    logins: Mapping[str, Login] = field(default_factory=dict)
    identity_headers: frozenset[str] = frozenset()


def parse(
    documents: Iterable[Document],
    authorizers: Mapping[str, Authorizer],
    identity_headers: Iterable[str],
    settings: Settings,
) -> tuple[Cluster, tuple[Problem, ...]]:
    """What can be read, and what is wrong with the rest. APIRules are explained to their own authors."""
    documents, problems = list(documents), list[Problem]()
    gateways = {found.key: gateway(found) for found in objects.read(objects.Gateway, documents, problems)}
    cluster = Cluster(
        settings=settings,
        services={
            found.key: services.known(found) for found in objects.read(objects.Service, documents, problems)
        },
        gateways=gateways,
        providers=providers(
            objects.read(objects.Mesh, objects.meshes(documents, settings.mesh_config), problems)
        ),
        strangers=strangers.known(objects.read(objects.VirtualService, documents, problems)),
        owners=hosts.owners(_apirules(documents), gateways),
        authorizers=frozenset(authorizers),
        logins={name: there for name, one in authorizers.items() if (there := login.of(one))},
        identity_headers=frozenset(identity_headers),
    )
    return cluster, tuple(problems)


def gateway(found: objects.Gateway) -> Gateway:
    """What of it an APIRule depends on."""
    servers = found.spec.servers
    return Gateway(
        hosts=tuple(server.hosts for server in servers if server.hosts),
        ports=frozenset(server.port.number for server in servers),
        selector=found.spec.selector,
    )


def providers(meshes: Iterable[objects.Mesh]) -> dict[str, str] | None:
    """The names that the mesh's configuration gives its extension providers, each with its fault or ""."""
    for found in meshes:
        return {provider.name: _fault(provider) for provider in found.data.mesh.extension_providers}
    return None


def _fault(provider: objects.Provider) -> str:
    if provider.kinds and not provider.kinds & _AUTHORIZERS:
        return "is no authorizer: it has neither envoyExtAuthzGrpc nor envoyExtAuthzHttp"
    if not syntax.is_short(provider.name):
        return "is not a name that Istio 1.30 and later take: only lower-case letters, digits and -"
    return ""


def _apirules(documents: Iterable[Document]) -> Iterator[APIRule]:
    """A broken one owns no host."""
    for document in documents:
        if document.get("kind") == "APIRule":
            with suppress(Invalid):
                yield apirule.parse(document)
