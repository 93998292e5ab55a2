"""An APIRule put into its cluster: its hosts in full, and the workloads that its rules lead to.

What stands in the way of that is told by `obstacles`, before anything here is asked.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from authz.istio import hosts
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.schema import Rule, Service

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
class Target:
    """What the emitted objects are made of. `spared` are others' hosts below a wildcard of its own."""

    rule: APIRule
    hosts: tuple[str, ...]
    spared: tuple[str, ...]
    workloads: tuple[Workload, ...]
    cluster: Cluster

    @property
    def ports(self) -> frozenset[int]:
        """Of the gateway: a wildcard's policies have to name them."""
        return self.cluster.gateways[self.rule.spec.gateway].ports


def find(rule: APIRule, cluster: Cluster) -> Target:
    """Of an APIRule without obstacles."""
    names = tuple(dict.fromkeys(hosts.full(rule, cluster.gateways)))
    others = [host for host, owner in cluster.owners.items() if owner.key != rule.key]
    spared = {other for name in names for other in hosts.below(name, others)}
    return Target(rule, names, tuple(sorted(spared)), workloads(rule, cluster), cluster)


def workloads(rule: APIRule, cluster: Cluster) -> tuple[Workload, ...]:
    """In the order in which the rules first lead there. An unknown service selects nothing."""
    found: dict[str, list[int]] = {}
    for index in range(len(rule.spec.rules)):
        found.setdefault(service_key(rule, index), []).append(index)
    return tuple(
        Workload(key, dict(cluster.services.get(key, {})), tuple(rules)) for key, rules in found.items()
    )


def service(rule: APIRule, index: int) -> Service:
    """The rule's own, or the one that the APIRule has for all. `parse` refuses a rule without."""
    chosen = rule.spec.rules[index].service or rule.spec.service
    if chosen is None:
        raise ValueError(f"{rule.key}/{index} leads to no service")
    return chosen


def service_key(rule: APIRule, index: int) -> str:
    """Namespace: the service's own, else that of the APIRule's service, else the APIRule's."""
    chosen = service(rule, index)
    default = rule.spec.service.namespace if rule.spec.service else None
    return f"{chosen.namespace or default or rule.namespace}/{chosen.name}"


def providers(rule: Rule, cluster: Cluster) -> list[str]:
    """The mesh's names for the rule's authorizers: all of ours ride on one."""
    names = rule.ext_auth.authorizers if rule.ext_auth else ()
    ours = cluster.settings.provider
    return list(dict.fromkeys(ours if name in cluster.authorizers else name for name in names))


def guards(rule: APIRule, cluster: Cluster) -> Iterator[tuple[Workload, int, str]]:
    """Each provider that a rule puts before a workload. With enforcement Gateway, none."""
    if rule.spec.enforcement == "Gateway" or not any(one.ext_auth for one in rule.spec.rules):
        return
    for workload in workloads(rule, cluster):
        for index in workload.rules:
            for provider in providers(rule.spec.rules[index], cluster):
                yield workload, index, provider
