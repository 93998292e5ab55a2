"""An APIRule placed in its cluster: its hosts in full, and the workloads that its rules lead to.

What stands in the way of that is told by `obstacles`, before anything here is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from authz.istio import hosts, services
from authz.istio.access import Authentication
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.login import Login
from authz.istio.schema import Rule, Service, Spec

_UNKNOWN = services.Service()

Pods = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Workload:
    """The pods behind one service (`namespace/name`), and which of the APIRule's rules lead there."""

    service: str
    selector: dict[str, str]
    rules: tuple[int, ...]

    @property
    def namespace(self) -> str:
        """Where the policies of the pods stand."""
        return self.service.partition("/")[0]

    @property
    def pods(self) -> Pods:
        """What tells these pods from others, whichever service leads to them."""
        return self.namespace, frozenset(self.selector.items())


@dataclass(frozen=True, slots=True)
class Placement:
    """What the emitted objects are made of. `hosts_of_others` stand below a wildcard of its own."""

    apirule: APIRule
    hosts: tuple[str, ...]
    hosts_of_others: tuple[str, ...]
    workloads: tuple[Workload, ...]
    cluster: Cluster

    @property
    def spec(self) -> Spec:
        """Of the APIRule."""
        return self.apirule.spec

    @property
    def ports(self) -> frozenset[int]:
        """Of the gateway: a wildcard's policies have to name them."""
        return self.cluster.gateways[self.spec.gateway].ports


def find(apirule: APIRule, cluster: Cluster) -> Placement:
    """Work out hosts and workloads; call after `obstacles.problems` found none."""
    own = tuple(dict.fromkeys(hosts.full(apirule, cluster.gateways)))
    below = {
        other
        for host in own
        for other in hosts.below(host, cluster.owners)
        if cluster.owners[other].key != apirule.key
    }
    return Placement(apirule, own, tuple(sorted(below)), workloads(apirule, cluster), cluster)


def workloads(apirule: APIRule, cluster: Cluster) -> tuple[Workload, ...]:
    """In the order in which the rules first lead there. An unknown service selects nothing."""
    found: dict[str, list[int]] = {}
    for index in range(len(apirule.spec.rules)):
        found.setdefault(service_key(apirule, index), []).append(index)
    selectors = {key: cluster.services.get(key, _UNKNOWN).selector for key in found}
    return tuple(Workload(key, dict(selectors[key]), tuple(rules)) for key, rules in found.items())


def service(apirule: APIRule, index: int) -> Service:
    """The rule's own, or the one that the APIRule has for all. `parse` refuses a rule without."""
    chosen = apirule.spec.rules[index].service or apirule.spec.service
    if chosen is None:
        raise ValueError(f"{apirule.key}/{index} leads to no service")
    return chosen


def service_key(apirule: APIRule, index: int) -> str:
    """Namespace: the service's own, else that of the APIRule's service, else the APIRule's."""
    chosen = service(apirule, index)
    default = apirule.spec.service.namespace if apirule.spec.service else None
    return f"{chosen.namespace or default or apirule.namespace}/{chosen.name}"


def providers(rule: Rule, cluster: Cluster) -> list[str]:
    """The mesh's names for the rule's authorizers: all of ours ride on one."""
    names = rule.ext_auth.authorizers if rule.ext_auth else ()
    ours = cluster.settings.provider
    return list(dict.fromkeys(ours if name in cluster.authorizers else name for name in names))


def logins(apirule: APIRule, cluster: Cluster) -> Iterator[tuple[int, Login]]:
    """Where each rule sends browsers to sign in."""
    for index, rule in enumerate(apirule.spec.rules):
        for name in rule.ext_auth.authorizers if rule.ext_auth else ():
            if name in cluster.logins:
                yield index, cluster.logins[name]


def asked(apirule: APIRule, cluster: Cluster) -> list[list[str]]:
    """The providers that decide each rule at its workload.

    Ours sees every request of an APIRule that signs people in, public ones too: it alone can keep the
    cookies of their sessions from the workload.
    """
    ours = [cluster.settings.provider] if any(logins(apirule, cluster)) else []
    return [providers(rule, cluster) or ours for rule in apirule.spec.rules]


def guards(apirule: APIRule, cluster: Cluster) -> Iterator[tuple[Workload, int, str]]:
    """Each provider that a rule puts before a workload. With enforcement Gateway, none."""
    found = asked(apirule, cluster)
    if apirule.spec.enforcement == "Gateway" or not any(found):
        return
    for workload in workloads(apirule, cluster):
        for index in workload.rules:
            for provider in found[index]:
                yield workload, index, provider


def issuers(apirule: APIRule, cluster: Cluster) -> Iterator[tuple[Workload, int, int, Authentication]]:
    """Each issuer that a workload's sidecar verifies tokens of: rule and position. As with `guards`."""
    rules = apirule.spec.rules
    if apirule.spec.enforcement == "Gateway" or not any(rule.authentications for rule in rules):
        return
    for workload in workloads(apirule, cluster):
        for index in workload.rules:
            for position, issuer in enumerate(rules[index].authentications):
                yield workload, index, position, issuer
