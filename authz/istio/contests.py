"""What APIRules have to agree on where they lead to the same pods: the first of them settles it.

Workloads are told apart by their selectors as written; that two of them share pods is not seen.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from authz.istio import placement
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.placement import Pods
from authz.istio.problem import Problem

_ONE_PROVIDER = "Istio allows one extension provider per workload, and {} has {} already"
_ONE_ISSUER = "{} has tokens of {} verified by APIRule {}, with other keys or from another place"


@dataclass(frozen=True, slots=True)
class Settled:
    """A value, and which APIRule settled on it."""

    value: object
    key: str


@dataclass(frozen=True, slots=True)
class Terms:
    """The provider of each workload, and of each issuer there its keys and where its tokens are."""

    providers: Mapping[Pods, Settled]
    issuers: Mapping[tuple[Pods, str], Settled]


def terms(cluster: Cluster) -> Terms:
    """Of all APIRules that own a host, in one pass: 10,000 may ask for them one after the other."""
    providers: dict[Pods, Settled] = {}
    issuers: dict[tuple[Pods, str], Settled] = {}
    for owner in _by_seniority(cluster.owners.values()):
        for workload, _, provider in placement.guards(owner, cluster):
            providers.setdefault(workload.pods, Settled(provider, owner.key))
        for workload, _, _, issuer in placement.issuers(owner, cluster):
            place = workload.pods, issuer.issuer
            issuers.setdefault(place, Settled(issuer.terms, owner.key))
    return Terms(providers, issuers)


def problems(apirule: APIRule, cluster: Cluster, settled: Terms) -> Iterator[Problem]:
    """Where an APIRule contradicts those who came first, or itself."""
    yield from _crowded(apirule, cluster, settled)
    yield from _contested(apirule, cluster, settled)


def _crowded(apirule: APIRule, cluster: Cluster, settled: Terms) -> Iterator[Problem]:
    """Istio denies everything where two providers guard one workload, whoever asked for them."""
    taken: dict[Pods, object] = {}
    for workload, index, provider in placement.guards(apirule, cluster):
        earlier = settled.providers.get(workload.pods)
        theirs = earlier.value if earlier and earlier.key != apirule.key else provider
        first = taken.setdefault(workload.pods, theirs)
        if provider != first:
            path = f"spec.rules[{index}].extAuth.authorizers"
            yield Problem(path, _ONE_PROVIDER.format(workload.service, first))


def _contested(apirule: APIRule, cluster: Cluster, settled: Terms) -> Iterator[Problem]:
    """Istio takes a token that any of the workload's jwksUris verifies: the first one named is kept."""
    for workload, index, position, issuer in placement.issuers(apirule, cluster):
        earlier = settled.issuers.get((workload.pods, issuer.issuer))
        if earlier and earlier.key != apirule.key and issuer.terms != earlier.value:
            field = f"{apirule.spec.rules[index].tokens_field}.authentications[{position}]"
            message = _ONE_ISSUER.format(workload.service, issuer.issuer, earlier.key)
            yield Problem(f"spec.rules[{index}].{field}", message)


def _by_seniority(owners: Iterable[APIRule]) -> list[APIRule]:
    each = {owner.seniority: owner for owner in owners}
    return [each[seniority] for seniority in sorted(each)]
