"""The kinds of object that are read or written, and where the API has them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authz.istio import authentication, names, objects, virtualservice
from authz.istio.apirule import GROUP

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """`labels` and `fields` select what a watch is to see; `namespace` is all unless given."""

    api_version: str
    name: str
    plural: str
    labels: str = ""
    fields: str = ""
    namespace: str = ""

    def path(self, namespace: str = "", name: str = "", sub: str = "") -> str:
        """Of one object, of a part of it, or of all."""
        root = "/apis" if "/" in self.api_version else "/api"
        inside = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}/{self.api_version}{inside}/{self.plural}" + "".join(
            f"/{part}" for part in (name, sub) if part
        )

    def at(self, key: str, sub: str = "") -> str:
        """Of the object `namespace/name`."""
        namespace, _, name = key.partition("/")
        return self.path(namespace, name, sub)


APIRULES = Kind(f"{GROUP}/v2", "APIRule", "apirules")
SERVICES = Kind("v1", "Service", "services")
GATEWAYS = Kind("networking.istio.io/v1", "Gateway", "gateways")
EVENTS = Kind("events.k8s.io/v1", "Event", "events")
LEASES = Kind("coordination.k8s.io/v1", "Lease", "leases")

# All of them, for a stranger's may serve the same host.
VIRTUAL_SERVICES = Kind(virtualservice.API_VERSION, "VirtualService", "virtualservices")
POLICIES = Kind(
    authentication.API_VERSION, "AuthorizationPolicy", "authorizationpolicies", labels=names.OWNER_NAME
)
AUTHENTICATIONS = Kind(
    authentication.API_VERSION, "RequestAuthentication", "requestauthentications", labels=names.OWNER_NAME
)

EMITTED = {kind.name: kind for kind in (AUTHENTICATIONS, POLICIES, VIRTUAL_SERVICES)}


def mesh(key: str) -> Kind:
    """The one ConfigMap with the mesh's configuration, `namespace/name`."""
    namespace, _, name = key.partition("/")
    return Kind("v1", "ConfigMap", "configmaps", fields=f"metadata.name={name}", namespace=namespace)


MESH = mesh(objects.MESH)


def key(document: Document) -> str:
    """`namespace/name`."""
    metadata = document["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def version(document: Document) -> int:
    """Of the whole store when this was written. Kubernetes 1.35 and later promise that they are numbers."""
    found: str = document["metadata"]["resourceVersion"]
    return int(found)


def stamp(seconds: float) -> str:
    """A time since the epoch, as Kubernetes writes it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
