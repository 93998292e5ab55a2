"""What each APIRule lays claim to, looked up from the other side: by host, Gateway, Service and pods.

So that a change of one thing costs what hangs on it, and not a look at 10,000 APIRules.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Generic, TypeVar

from authz.istio import hosts, placement
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.placement import Pods

Subject = tuple[Pods, str]  # an issuer whose tokens they take, or "": the provider that they ask
Term = tuple[Pods, str, object]  # and how: by which keys, or which provider

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Claim:
    """`terms` are what other APIRules on the same pods have to agree with."""

    gateway: str = ""
    hosts: tuple[str, ...] = ()
    services: frozenset[str] = frozenset()
    terms: frozenset[Term] = frozenset()

    @property
    def subjects(self) -> frozenset[Subject]:
        """What somebody has to agree on."""
        return frozenset(term[:2] for term in self.terms)

    def on(self, subject: Subject) -> set[object]:
        """What it says of that: one thing, or it contradicts itself."""
        return {term[2] for term in self.terms if term[:2] == subject}


NOTHING = Claim()
_NOBODY: frozenset[str] = frozenset()


def claim(apirule: APIRule, cluster: Cluster) -> Claim:
    """Of an APIRule, in the cluster as it is."""
    guards = ((workload.pods, "", provider) for workload, _, provider in placement.guards(apirule, cluster))
    issuers = (
        (workload.pods, issuer.issuer, issuer.terms)
        for workload, _, _, issuer in placement.issuers(apirule, cluster)
    )
    return Claim(
        gateway=apirule.spec.gateway,
        hosts=hosts.admitted(apirule, cluster.gateways),
        services=frozenset(placement.service_key(apirule, index) for index in range(len(apirule.spec.rules))),
        terms=frozenset([*guards, *issuers]),
    )


class Claims:
    """All of them, by the key of their APIRule."""

    def __init__(self) -> None:
        self._of: dict[str, Claim] = {}
        self._by_host = Index[str]()
        self._by_gateway = Index[str]()
        self._by_service = Index[str]()
        self._by_subject = Index[Subject]()
        self._by_term = Index[Term]()

    def of(self, key: str) -> Claim:
        """What it claims; nothing if it can not be read."""
        return self._of.get(key, NOTHING)

    def put(self, key: str, new: Claim) -> None:
        """Instead of what it claimed before."""
        old = self._of.pop(key, NOTHING)
        if new != NOTHING:
            self._of[key] = new
        self._by_host.move(key, old.hosts, new.hosts)
        self._by_gateway.move(key, {old.gateway} - {""}, {new.gateway} - {""})
        self._by_service.move(key, old.services, new.services)
        self._by_subject.move(key, old.subjects, new.subjects)
        self._by_term.move(key, old.terms, new.terms)

    def at_host(self, host: str) -> AbstractSet[str]:
        """Who claims it."""
        return self._by_host[host]

    def at_gateway(self, gateway: str) -> AbstractSet[str]:
        """Who is served there."""
        return self._by_gateway[gateway]

    def at_service(self, service: str) -> AbstractSet[str]:
        """Who leads there."""
        return self._by_service[service]

    def about(self, subject: Subject) -> AbstractSet[str]:
        """Who has something to agree on there."""
        return self._by_subject[subject]

    def hosts_below(self, host: str) -> list[str]:
        """Those that a wildcard takes in. All hosts are looked at: wildcards are few."""
        return hosts.below(host, self._by_host)

    def around(self, host: str) -> set[str]:
        """Whom it concerns whose a host is: who claims it, or one above or below it."""
        names = (host, *hosts.above(host), *self.hosts_below(host))
        return {key for name in names for key in self.at_host(name)}

    def differing(self, terms: Iterable[Term]) -> set[str]:
        """Who says something else of the same."""
        found: set[str] = set()
        for pods, name, value in terms:
            found |= self.about((pods, name)) - self._by_term[pods, name, value]
        return found


class Index(Generic[T]):
    """Names to the keys under them; a name that nobody has is not kept."""

    def __init__(self) -> None:
        self._keys: defaultdict[T, set[str]] = defaultdict(set)

    def __getitem__(self, name: T) -> AbstractSet[str]:
        return self._keys.get(name, _NOBODY)

    def __iter__(self) -> Iterator[T]:
        return iter(self._keys)

    def move(self, key: str, old: Collection[T], new: Collection[T]) -> None:
        before, after = set(old), set(new)
        for name in before - after:
            self._keys[name].discard(key)
            if not self._keys[name]:
                del self._keys[name]
        for name in after - before:
            self._keys[name].add(key)
