"""Other people's VirtualServices: a host that one of them serves at a Gateway is not free there.

Istio would merge the two, the elder's routes first, and so does what is said here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from authz.istio import names, objects
from authz.istio.apirule import APIRule


@dataclass(frozen=True, slots=True)
class Stranger:
    """A VirtualService without our labels. `since` is "" if its age is not known: then it came first."""

    key: str
    gateways: frozenset[str]
    since: str = ""

    def precedes(self, apirule: APIRule) -> bool:
        """True if it was there before, at the same Gateway."""
        return apirule.spec.gateway in self.gateways and self.since <= apirule.seniority[0]


@dataclass(frozen=True, slots=True)
class Strangers:
    """All of them: by name, and by the hosts that they serve."""

    names: frozenset[str] = frozenset()
    at: Mapping[str, tuple[Stranger, ...]] = field(default_factory=dict)


NOBODY = Strangers()


def known(found: Iterable[objects.VirtualService]) -> Strangers:
    """Those that no APIRule has become."""
    marks = (names.OWNER_NAMESPACE, names.OWNER_NAME)
    foreign = [each for each in found if not all(map(each.metadata.labels.get, marks))]
    at: dict[str, tuple[Stranger, ...]] = {}
    for each in foreign:
        for host in map(str.lower, each.spec.hosts):
            at[host] = (*at.get(host, ()), _stranger(each))
    return Strangers(frozenset(each.key for each in foreign), at)


def gateways(found: objects.VirtualService) -> frozenset[str]:
    """The Gateways that it names, each as `namespace/name`."""
    return frozenset(_full(name, found.metadata.namespace) for name in found.spec.gateways)


def _stranger(found: objects.VirtualService) -> Stranger:
    return Stranger(found.key, gateways(found), found.metadata.creation_timestamp)


def _full(name: str, namespace: str) -> str:
    """Istio also takes `name`, of the same namespace, and the older `name.namespace.svc...`."""
    if "/" in name:
        return name
    first, dot, rest = name.partition(".")
    return f"{rest.partition('.')[0]}/{first}" if dot else f"{namespace}/{name}"
