"""What istiod reads from the objects of a cluster: who is there, and what concerns our one gateway.

Pure: documents in, values out. What can not be read is left out, as istiod leaves it out.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

from authz.istio import cluster, hosts, objects, strangers
from authz.istio.hosts import Gateway
from authz.istio.objects import Document
from authz.local.envoy import Provider
from authz.local.envoy.document import Node
from authz.local.site import Backend, Site

POLICIES = ("AuthorizationPolicy", "RequestAuthentication")
GRPC = "envoyExtAuthzGrpc"


@dataclass(frozen=True, slots=True)
class Registry:
    """`resources` are for `envoy.compile`; with each backend stand the labels of its pods."""

    resources: tuple[Document, ...]
    backends: Mapping[Backend, Mapping[str, str]]
    providers: Mapping[str, Provider]

    @property
    def jwks_uris(self) -> frozenset[str]:
        """Where the mesh has its keys from."""
        rules = (rule for each in self.resources for rule in each["spec"].get("jwtRules") or ())
        return frozenset(rule["jwksUri"] for rule in rules if "jwksUri" in rule)

    def before(self, wanted: Self) -> Self | None:
        """All of it but the routes that `wanted` lacks: they go before their guards. None if it has all.

        One whose hosts another takes stays until then, or nobody would answer; unless some guard goes.
        """
        there = {_id(each) for each in wanted.resources}
        taken = {host for each in wanted.resources for host in _hosts(each)}
        is_guarded = all(_id(each) in there for each in self.resources if each["kind"] in POLICIES)
        staying = tuple(
            each
            for each in self.resources
            if each["kind"] in POLICIES
            or _id(each) in there
            or (is_guarded and taken.issuperset(_hosts(each)))
        )
        return None if staying == self.resources else replace(self, resources=staying)


def read(documents: Sequence[Document], site: Site) -> Registry:
    """Raises Unsupported for a provider that can not be read."""
    return Registry(
        resources=(
            *(each for each in documents if each["kind"] in POLICIES),
            *_served(documents, site),
        ),
        backends=dict(_backends(documents)),
        providers={each.name: provider for each in _providers(documents) if (provider := _grpc(each, site))},
    )


def _id(resource: Document) -> tuple[str, str, str]:
    metadata = resource["metadata"]
    return resource["kind"], metadata["namespace"], metadata["name"]


def _hosts(resource: Document) -> Sequence[str]:
    found: Sequence[str] = () if resource["kind"] in POLICIES else resource["spec"]["hosts"]
    return found


def _backends(documents: Iterable[Document]) -> Iterator[tuple[Backend, Mapping[str, str]]]:
    """A Service without a selector has no pods, such as the API server's own."""
    for found in objects.read(objects.Service, documents, []):
        for port in found.spec.ports if found.spec.selector else ():
            yield (_host(found), port.port), found.spec.selector


def _host(service: objects.Service) -> str:
    return f"{service.metadata.name}.{service.metadata.namespace}.svc.cluster.local"


def _served(documents: Sequence[Document], site: Site) -> Iterator[Document]:
    """VirtualServices with what the gateway takes of them: one may name other gateways, and the mesh."""
    labels = site.settings.gateway_selector.items()
    known = {found.key: cluster.gateway(found) for found in objects.read(objects.Gateway, documents, [])}
    ours = {key: gateway for key, gateway in known.items() if gateway.selector.items() <= labels}
    for document in documents:
        for found in objects.read(objects.VirtualService, [document], []):
            named = sorted(strangers.gateways(found) & ours.keys())
            taken = [host for host in found.spec.hosts if _takes(ours, named, host, found)]
            if taken:
                yield {**document, "spec": {**document["spec"], "hosts": taken, "gateways": named}}


def _takes(
    ours: Mapping[str, Gateway], named: Iterable[str], host: str, found: objects.VirtualService
) -> bool:
    namespace = found.metadata.namespace
    return any(hosts.serves(ours[key], key, namespace, host.lower()) for key in named)


def _providers(documents: Iterable[Document]) -> Iterator[objects.Provider]:
    for found in objects.read(objects.Mesh, filter(objects.is_mesh, documents), []):
        yield from found.data.mesh.extension_providers


def _grpc(provider: objects.Provider, site: Site) -> Provider | None:
    """None for one of another kind, or whose Service nobody serves here: who names it is told so."""
    node = Node(f"extensionProviders[{provider.name}].{GRPC}", (provider.model_extra or {}).get(GRPC) or {})
    backend = node.text("service").rpartition("/")[2], node.number("port")
    if backend not in site.addresses:
        return None
    timeout_s = node.duration("timeout").total_seconds()
    return Provider(*backend, site.addresses[backend], timeout_s or 600.0)  # Istio's default
