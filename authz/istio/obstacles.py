"""What stands between an APIRule and its cluster: all of it, each with where it is written.

Nothing is emitted while there is one, for half a guard is none.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, islice

from authz.istio import contests, headers, hosts, placement
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.contests import Terms
from authz.istio.pattern import REGEX_MAX_LENGTH
from authz.istio.problem import PROBLEMS_MAX, Problem, did_you_mean
from authz.istio.services import ALLOWED

BELOW_MAX = 5_000  # hosts times rules: 10,000 names of up to 100 bytes

_SHORT_HOST = (
    "Lowercase RFC 1123 label (short host) is only supported as the APIRule host when selected "
    "Gateway has a single host definition matching *.<fqdn> format"
)
_TWICE = "Host {} is one of {}, and a VirtualService may hold only one of them: write an APIRule for each"
_MANY_PORTS = "A wildcard names the Gateway's ports, and {} has too many: list the hosts one by one"
_NOT_OURS_TO_WRITE = "VirtualService {} exists, and no APIRule has become it: rename one of the two"
_ALIAS = (
    "Service {} is of type ExternalName: what it stands for no policy guards, so it takes "
    "enforcement Gateway, and istio.foreignServices Allow"
)
_MANY_BELOW = (
    "{} other hosts below {} have to be named in each of its policies, and with {} rules that is more than "
    "an object may hold: take a wildcard with fewer below it, or fewer rules"
)
_NO_SELECTOR = "Target service label selectors are not defined"
_NOT_OURS = '"{}" is a provider of the mesh, with enforcement Gateway only our own authorizers decide'
_NO_LOGIN = (
    "people sign in at {}, where no route can lead: "
    "oauth2Proxy must name a Service, like http://oauth2-proxy.auth:4180"
)
_TWO_LOGINS = "people sign in at {} under {} already, give {} another prefix"
_NO_BEARER = (
    "people who sign in show no token, and these ask for one: say in the session's allowedGroups or "
    "allowedEmails who may pass, or take an authorizer without a session"
)
_ASKED_TWICE = (
    "Host {} is below {} of APIRule {}, so that the gateway asks about it before the workload does: "
    "sessions and corsPolicy take enforcement Gateway here too"
)
_IDENTITY = "may not be set by an APIRule: it tells the workload who the caller is"
_NO_PROVIDER = (
    'The mesh has no extension provider "{}": add it under extensionProviders in ConfigMap '
    "{}, as config/samples/cluster.yaml shows"
)
_NO_MESH = ", and the mesh's own are not known: ConfigMap {} was not found"


def problems(apirule: APIRule, cluster: Cluster, terms: Terms | None = None) -> list[Problem]:
    """Everything in the way, in the order of the document; of very many, the first.

    `terms` are the cluster's (`contests.terms`): who asks for many APIRules works them out once.
    """
    checks = (
        _name,
        _gateway,
        of_hosts,
        _served,
        _many_below,
        _services,
        _authorizers,
        _logins,
        _asked_twice,
        _identities,
        _own_provider,
    )
    found = [*islice(chain.from_iterable(check(apirule, cluster) for check in checks), PROBLEMS_MAX)]
    if not found:
        found = list(contests.problems(apirule, cluster, terms or contests.terms(cluster)))
    return list(dict.fromkeys(found))


def of_hosts(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Hosts that can not be completed, or that somebody else has."""
    before = apirule.migration.routes if apirule.migration else ()
    for index, host in enumerate(hosts.full(apirule, cluster.gateways)):
        path = f"spec.hosts[{index}]"
        owner = cluster.owners.get(host, apirule)
        if not host and apirule.spec.gateway in cluster.gateways:
            yield Problem(path, _SHORT_HOST)
        if owner.key != apirule.key:
            yield Problem(path, f"Host {host} is occupied by APIRule {owner.key}")
        for stranger in cluster.strangers.at.get(host, ()):
            if stranger.precedes(apirule) and stranger.key not in before:
                yield Problem(path, f"Host {host} is occupied by VirtualService {stranger.key}")


def _name(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    if apirule.key in cluster.strangers.names:
        yield Problem("metadata.name", _NOT_OURS_TO_WRITE.format(apirule.key))


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


def _served(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """A host that the Gateway leaves to others gets 404; of two that overlap Istio refuses both."""
    gateway = cluster.gateways.get(apirule.spec.gateway)
    own = hosts.full(apirule, cluster.gateways)
    for index, host in enumerate(own):
        if gateway and host and not hosts.serves(gateway, apirule.spec.gateway, apirule.namespace, host):
            served = ", ".join(dict.fromkeys(chain.from_iterable(gateway.hosts)))
            yield Problem(f"spec.hosts[{index}]", f"Gateway {apirule.spec.gateway} serves {served} only")
        if gateway and hosts.is_wildcard(host) and len(hosts.other_ports(gateway.ports)) > REGEX_MAX_LENGTH:
            yield Problem(f"spec.hosts[{index}]", _MANY_PORTS.format(apirule.spec.gateway))
        for wildcard in own:
            if hosts.below(wildcard, [host]):
                yield Problem(f"spec.hosts[{index}]", _TWICE.format(host, wildcard))


def _many_below(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """Each operation of a policy names them twice: etcd takes 1.5 MB."""
    for index, host in enumerate(hosts.full(apirule, cluster.gateways)):
        others = len(hosts.below(host, cluster.owners))
        if others * len(apirule.spec.rules) > BELOW_MAX:
            message = _MANY_BELOW.format(others, host, len(apirule.spec.rules))
            yield Problem(f"spec.hosts[{index}]", message)


def _services(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    for index, rule in enumerate(apirule.spec.rules):
        path = f"spec.rules[{index}].service" if rule.service else "spec.service"
        key, port = placement.service_key(apirule, index), placement.service(apirule, index).port
        service = cluster.services.get(key)
        if service is None:
            yield Problem(path, f"Service {key} not found{did_you_mean(key, _alike(apirule, key, cluster))}")
            continue
        by_workload = apirule.spec.enforcement == "Workload"
        if service.alias and (by_workload or cluster.settings.foreign_services == "Refuse"):
            yield Problem(path, _ALIAS.format(key))
        elif not service.selector and by_workload:
            yield Problem(path, _NO_SELECTOR)
        if service.ports and port not in service.ports:
            known = ", ".join(map(str, sorted(service.ports)))
            yield Problem(f"{path}.port", f"Service {key} has no port {port}, it has {known}")
        yield from _consent(apirule, key, path, cluster)


def _consent(apirule: APIRule, key: str, path: str, cluster: Cluster) -> Iterator[Problem]:
    namespace, unless_said = apirule.namespace, cluster.settings.foreign_services == "Allow"
    foreign = not key.startswith(f"{namespace}/")
    if foreign and not cluster.services[key].admits(namespace, unless_said):
        yield Problem(
            path,
            f"Service {key} admits no APIRules of namespace {namespace}: "
            f"its people can, with the annotation {ALLOWED}: {namespace}",
        )


def _alike(apirule: APIRule, service: str, cluster: Cluster) -> list[str]:
    """Services of its own namespace, or that admit it: the others' names are not for everyone to read."""
    own, (namespace, _, name) = f"{apirule.namespace}/", service.partition("/")
    return [
        key
        for key, one in cluster.services.items()
        if (key.startswith(f"{namespace}/") or key.endswith(f"/{name}"))
        and (key.startswith(own) or one.admits(apirule.namespace, unless_said=False))
    ]


def _authorizers(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    providers, unseen = cluster.providers or {}, _NO_MESH.format(cluster.settings.mesh_config)
    known = cluster.authorizers | providers.keys()
    for index, rule in enumerate(apirule.spec.rules):
        for name in rule.ext_auth.authorizers if rule.ext_auth else ():
            path = f"spec.rules[{index}].extAuth.authorizers"
            if name not in known:
                hint = did_you_mean(name, known) or ("" if cluster.providers is not None else unseen)
                yield Problem(path, f'Authorizer "{name}" not found{hint}')
            elif name in cluster.authorizers:
                continue
            elif apirule.spec.enforcement == "Gateway":
                yield Problem(path, _NOT_OURS.format(name))
            elif fault := providers[name]:
                yield Problem(path, f'"{name}" of the mesh {fault}')


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
        if apirule.spec.rules[index].tokens:
            yield Problem(f"spec.rules[{index}].extAuth.restrictions", _NO_BEARER)


def _asked_twice(apirule: APIRule, cluster: Cluster) -> Iterator[Problem]:
    """What the gateway's authorizer has answered or taken out does not reach the workload's."""
    gateway, cors = cluster.gateways.get(apirule.spec.gateway), apirule.spec.cors_policy
    asks = any(placement.logins(apirule, cluster)) or bool(cors and cors.allow_origins)
    if apirule.spec.enforcement == "Gateway" or not (
        asks and gateway and _selects(cluster, gateway.selector)
    ):
        return
    own = hosts.full(apirule, cluster.gateways)
    for wildcard, owner in cluster.owners.items():
        if owner.spec.enforcement == "Gateway":
            for host in hosts.below(wildcard, own):
                yield Problem("spec.enforcement", _ASKED_TWICE.format(host, wildcard, owner.key))


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
    told = _NO_PROVIDER.format(ours, cluster.settings.mesh_config)
    if apirule.spec.enforcement == "Gateway":
        yield Problem("spec.enforcement", told)
    for index, rule in enumerate(apirule.spec.rules):
        if ours in placement.providers(rule, cluster):
            yield Problem(f"spec.rules[{index}].extAuth.authorizers", told)
