"""A Service as far as an APIRule depends on it: its pods, its ports, and who may lead requests there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from authz.istio import objects
from authz.istio.apirule import GROUP

# Whoever may write APIRules in some namespace could open any Service of the cluster to the world: the
# Service's own people say who may. Gateway API's ReferenceGrant says the same, but is not installed
# with Istio.
ALLOWED = f"{GROUP}/allowed-namespaces"
_ALL = "*"


@dataclass(frozen=True, slots=True)
class Service:
    """No `ports` if they are not known. `allowed` namespaces: None if the Service says nothing of it.

    An `alias` (type ExternalName) stands for some other host: Kubernetes ignores its selector.
    """

    selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    ports: frozenset[int] = frozenset()
    allowed: frozenset[str] | None = None
    alias: bool = False

    def admits(self, namespace: str, unless_said: bool) -> bool:
        """True if APIRules of that other namespace may lead here."""
        return unless_said if self.allowed is None else bool({namespace, _ALL} & self.allowed)


def known(found: objects.Service) -> Service:
    """What of it an APIRule depends on."""
    allowed = found.metadata.annotations.get(ALLOWED)
    return Service(
        selector=found.spec.selector,
        ports=frozenset(port.port for port in found.spec.ports),
        alias=found.spec.type == "ExternalName",
        allowed=None if allowed is None else frozenset(allowed.replace(",", " ").split()),
    )
