"""What stands between an APIRule and its cluster: all of it, each with where it is written.

Nothing is emitted while there is one, for half a guard is none.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice

from authz.istio import headers, hosts, placement
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.problem import PROBLEMS_MAX, Problem, did_you_mean

_SHORT_HOST = (
    "Lowercase RFC 1123 label (short host) is only supported as the APIRule host when selected "
    "Gateway has a single host definition matching *.<fqdn> format"
)
_NO_SELECTOR = "Target service label selectors are not defined"
_ONE_PROVIDER = "Istio allows one extension provider per workload, and {} has {} already"
_ONE_ISSUER = "{} has tokens of {} verified by APIRule {}, with other keys or from another place"
_NOT_OURS = '"{}" is a provider of the mesh, with enforcement Gateway only our own authorizers decide'
_NO_LOGIN = (
    "people sign in at {}, where no route can lead: "
    "oauth2Proxy must name a Service, like http://oauth2-proxy.auth:4180"
)
_TWO_LOGINS = "people sign in at {} under {} already, give {} another prefix"
_IDENTITY = "may not be set by an APIRule: it tells the workload who the caller is"
_NO_PROVIDER = (
    'The mesh has no extension provider "{}": add it under extensionProviders in ConfigMap '
    "istio-system/istio, as config/samples/cluster.yaml shows"
)

_Known = dict[tuple[placement.Pods, str], tuple[object, str]]  # to the issuer's terms, and whose they are


def problems(apirule: APIRule, cluster: Cluster) -> list[Problem]:
    """Everything in the way, in the order of the document; of very many, the first."""
    checks = _gateway, of_hosts, _services, _authorizers, _logins, _identities, _own_provider
    found = [*islice(chain.from_iterable(check(apirule, cluster) for check in checks), PROBLEMS_MAX)]
    return list(dict.fromkeys(found or chain(_crowded(apirule, cluster), _contested(apirule, cluster))))


def of_hosts(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Hosts that can not be completed, or that another APIRule has."""
    for index, host in enumerate(hosts.full(apirule, cluster.gateways)):
        owner = cluster.owners.get(host, apirule)
        if not host and apirule.spec.gateway in cluster.gateways:
            yield Problem(f"spec.hosts[{index}]", _SHORT_HOST)
        if owner.key != apirule.key:
            yield Problem(f"spec.hosts[{index}]", f"Host {host} is occupied by APIRule {owner.key}")


def _gateway(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    name = apirule.spec.gateway
    gateway = cluster.gateways.get(name)
    if gateway is None:
        yield Problem("spec.gateway", f"Gateway {name} not found{did_you_mean(name, cluster.gateways)}")
    elif apirule.spec.enforcement == "Gateway" and not _selects(cluster, gateway.selector):
        guarded = ",".join(f"{key}={value}" for key, value in cluster.settings.gateway_selector.items())
        yield Problem("spec.enforcement", f"Gateway {name} is not known to run on pods labelled {guarded}")


def _selects(cluster: Cluster, selector: Mapping[str, str]) -> bool:
    """True if the policy's selector takes in every pod that the Gateway runs on."""
    return cluster.settings.gateway_selector.items() <= selector.items()


def _services(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    for index, rule in enumerate(apirule.spec.rules):
        path = f"spec.rules[{index}].service" if rule.service else "spec.service"
        key = placement.service_key(apirule, index)
        if key not in cluster.services:
            yield Problem(path, f"Service {key} not found{did_you_mean(key, _alike(key, cluster))}")
        elif not cluster.services[key] and apirule.spec.enforcement == "Workload":
            yield Problem(path, _NO_SELECTOR)


def _alike(service: str, cluster: Cluster) -> list[str]:
    """Services of the same namespace or name."""
    namespace, _, name = service.partition("/")
    return [key for key in cluster.services if key.startswith(f"{namespace}/") or key.endswith(f"/{name}")]


def _authorizers(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    known = cluster.authorizers | (cluster.providers or frozenset())
    for index, rule in enumerate(apirule.spec.rules):
        for name in rule.ext_auth.authorizers if rule.ext_auth else ():
            path = f"spec.rules[{index}].extAuth.authorizers"
            if name not in known:
                yield Problem(path, f'Authorizer "{name}" not found{did_you_mean(name, known)}')
            elif name not in cluster.authorizers and apirule.spec.enforcement == "Gateway":
                yield Problem(path, _NOT_OURS.format(name))


def _logins(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Pages for signing in lead to one place."""
    known: dict[str, str] = {}
    for index, login in placement.logins(apirule, cluster):
        path = f"spec.rules[{index}].extAuth.authorizers"
        first = known.setdefault(login.prefix, login.address)
        if not login.host:
            yield Problem(path, _NO_LOGIN.format(login.address))
        if login.address != first:
            yield Problem(path, _TWO_LOGINS.format(first, login.prefix, login.address))


def _identities(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Workloads believe these headers, for only the authorizer sets them."""
    known = set(map(headers.spelling, cluster.identity_headers))
    for index, rule in enumerate(apirule.spec.rules):
        for name in rule.request.headers:
            if headers.spelling(name) in known:
                yield Problem(f"spec.rules[{index}].request.headers.{name}", _IDENTITY)


def _own_provider(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Istio denies everything where a policy names a provider that the mesh does not have."""
    ours = cluster.settings.provider
    if cluster.providers is None or ours in cluster.providers:
        return
    if apirule.spec.enforcement == "Gateway":
        yield Problem("spec.enforcement", _NO_PROVIDER.format(ours))
    for index, rule in enumerate(apirule.spec.rules):
        if ours in placement.providers(rule, cluster):
            yield Problem(f"spec.rules[{index}].extAuth.authorizers", _NO_PROVIDER.format(ours))


def _crowded(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Istio denies everything where two providers guard one workload, whoever asked for them."""
    own = list(placement.guards(apirule, cluster))
    taken = _taken(_seniors(apirule, cluster), cluster) if own else {}
    for workload, index, provider in own:
        first = taken.setdefault(workload.pods, provider)
        if provider != first:
            path = f"spec.rules[{index}].extAuth.authorizers"
            yield Problem(path, _ONE_PROVIDER.format(workload.service, first))


def _taken(seniors: Sequence[APIRule], cluster: Cluster) -> dict[placement.Pods, str]:
    return {  # the first of them has the last word
        workload.pods: provider
        for senior in reversed(seniors)
        for workload, _, provider in placement.guards(senior, cluster)
    }


def _contested(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Istio takes a token that any of the workload's jwksUris verifies: the first one named is kept.

    Workloads are told apart by their selectors as written; that two of them share pods is not seen.
    """
    own = list(placement.issuers(apirule, cluster))
    known = _known(_seniors(apirule, cluster), cluster) if own else {}
    for workload, index, position, issuer in own:
        terms, senior = known.get((workload.pods, issuer.issuer), (issuer.terms, ""))
        if issuer.terms != terms:
            field = f"{apirule.spec.rules[index].tokens_field}.authentications[{position}]"
            message = _ONE_ISSUER.format(workload.service, issuer.issuer, senior)
            yield Problem(f"spec.rules[{index}].{field}", message)


def _known(seniors: Iterable[APIRule], cluster: Cluster) -> _Known:
    known: _Known = {}
    for senior in seniors:
        for workload, _, _, issuer in placement.issuers(senior, cluster):
            known.setdefault((workload.pods, issuer.issuer), (issuer.terms, senior.key))
    return known


def _seniors(apirule: APIRule, cluster: Cluster) -> list[APIRule]:
    """The first of them first: who comes later is refused what contradicts it."""
    own, others = apirule.seniority, {owner.seniority: owner for owner in cluster.owners.values()}
    return [others[each] for each in sorted(others) if each < own]
