"""What keeps an APIRule from being migrated step by step, and what its people have to know before.

Pure. Each line says whose object it is about, and what can be done.
"""

from collections.abc import Iterable, Iterator

from authz.controller.kinds import Document, key
from authz.istio import apirule, hosts, placement
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.migration import ROUTES, STAGE
from authz.istio.obstacles import problems as in_the_way
from authz.istio.problem import Invalid
from authz.migrate.stages import allows, old_routes, planted
from authz.migrate.stages.admission import IN_CLUSTER
from authz.migrate.stages.steps import Item, Stage
from authz.migrate.stages.surveyed import Survey, owner

_KYMAS = (
    "{} {} of the old APIRule guards the workload already: what does not go through Oathkeeper has no stages"
)
_STRAIGHT = "VirtualService {} leads {} to the same workload, past Oathkeeper: migrate it together with this"
_GATEWAY = "with enforcement Gateway the authorizer decides at the gateway from the switch on"
_ISSUERS = "from the switch on {} refuses other bearer tokens than {}'s on every path, in the cluster too"
_OTHER_RULES = (
    "the APIRule in the cluster is not what the file says: undo it to before, and apply the file again"
)
_OTHER_PODS = (
    "Gateway {} is not known to run on pods labelled {}, and the new guards take no other for the gateway: "
    "its requests would pass without a token"
)
_PAST = (
    "AuthorizationPolicy {} may admit the gateway past the new rules from the switch on: "
    "leave {} out of it, with notPrincipals"
)
_SINCE = (
    "AuthorizationPolicy {} guards the workload only since this began, and the migration's own admits more: "
    "undo to before, and apply again"
)
_RULE_ELSEWHERE = (
    "Rule {} is for {} too, and of another namespace than the APIRule: it would go in the end, "
    "so let its people move it here first"
)
_RULE_OF_OTHERS = (
    "Rule {} has the APIRule's labels, and is not for its hosts alone ({}): take the labels off, "
    "or write its address without patterns in the host"
)
_UNGUARDED = (
    "AuthorizationPolicy {} is not as the switch wrote it, {} has changed it, and it may admit the gateway "
    "past the new rules: undo to prepare, and switch again"
)
_NO_ROUTE = "nothing serves {} now: there is nothing to keep alive"


def obstacles(survey: Survey, around: Cluster, wanted: APIRule, item: Item) -> Iterator[str]:
    own = set(hosts.full(wanted, around.gateways))
    if away := old_routes.elsewhere(wanted, item, own):
        yield from away
        return
    yield from old_routes.shared(wanted, item, own)
    yield from _of_the_rule(around, item)
    if item.stage < Stage.FINISH:
        yield from _other_pods(around, wanted)
        yield from _allowed(survey, around, wanted, item)
    if item.stage is Stage.SWITCH:
        yield from _unguarded(survey, item)
    if item.stage is Stage.BEFORE:
        yield from _rules_elsewhere(wanted, item, own)
        yield from old_routes.renamed(item, own)
        yield from _kymas(survey, wanted)
        yield from _straight(survey, around, wanted, own)
    elif item.stage < Stage.FINISH:
        yield from old_routes.changed(survey, item)
        yield from _rewritten(survey, wanted)


def _of_the_rule(around: Cluster, item: Item) -> Iterator[str]:
    """What the controller would say of it, once it is switched."""
    before = [key(one) for one in item.kept.routes]
    marks = {STAGE: "switch"} | ({ROUTES: ",".join(before)} if before else {})
    metadata = item.apirule["metadata"] | {"annotations": marks}
    try:
        marked = apirule.parse(item.apirule | {"metadata": metadata})
        yield from map(str, in_the_way(marked, around))
    except Invalid as invalid:
        yield from map(str, invalid.problems)


def _other_pods(around: Cluster, wanted: APIRule) -> Iterator[str]:
    """From the switch on whoever is not known as the gateway is admitted as a caller in the cluster."""
    gateway, known = around.gateways.get(wanted.spec.gateway), around.settings.gateway_selector
    if gateway and wanted.spec.enforcement == "Workload" and not known.items() <= gateway.selector.items():
        labels = ",".join(f"{name}={value}" for name, value in known.items())
        yield _OTHER_PODS.format(wanted.spec.gateway, labels)


def _allowed(survey: Survey, around: Cluster, wanted: APIRule, item: Item) -> Iterator[str]:
    principal = around.settings.gateway_principal
    guarded = placement.workloads(wanted, around) if wanted.spec.enforcement == "Workload" else ()
    for one in allows.guarding(survey, guarded):
        if allows.admits(one, principal):
            yield _PAST.format(key(one), principal)
        elif item.kept.begun and item.kept.admits:
            yield _SINCE.format(key(one))


def _unguarded(survey: Survey, item: Item) -> Iterator[str]:
    """Where it is gone nobody passes by it; whoever refuses callers in the cluster takes it away."""
    for one in item.admissions:
        there = survey.find("AuthorizationPolicy", one.key)
        if there and there["spec"] != one.document(IN_CLUSTER)["spec"]:
            yield _UNGUARDED.format(one.key, old_routes.writer(there))


def _rules_elsewhere(wanted: APIRule, item: Item, own: set[str]) -> Iterator[str]:
    for one in item.kept.rules:
        if key(one).partition("/")[0] != wanted.namespace:
            yield _RULE_ELSEWHERE.format(key(one), ", ".join(sorted(own)))
        elif not planted.is_for(one, own):
            yield _RULE_OF_OTHERS.format(key(one), ", ".join(sorted(own)))


def _kymas(survey: Survey, wanted: APIRule) -> Iterator[str]:
    for kind in ("AuthorizationPolicy", "RequestAuthentication"):
        for one in survey.of(kind):
            if owner(one) == wanted.key:
                yield _KYMAS.format(kind, key(one))


def _straight(survey: Survey, around: Cluster, wanted: APIRule, own: set[str]) -> Iterator[str]:
    """The policy that admits the gateway's requests for these hosts shuts out those for others."""
    services = {one.service for one in placement.workloads(wanted, around)}
    for one in survey.of("VirtualService"):
        if owner(one) in _keys(around) or not (one["spec"].get("gateways") or ()):
            continue
        others = {host.lower() for host in one["spec"].get("hosts") or ()} - own - around.owners.keys()
        if others and services & set(old_routes.destinations(one)):
            yield _STRAIGHT.format(key(one), ", ".join(sorted(others)))


def _keys(around: Cluster) -> set[str]:
    """Of the APIRules that own hosts."""
    return {owner.key for owner in around.owners.values()}


def _rewritten(survey: Survey, wanted: APIRule) -> Iterator[str]:
    """The shadow judges the file, and the controller enforces what the cluster has."""
    there = survey.find("APIRule", wanted.key)
    if there and not _says(there, wanted):
        yield _OTHER_RULES


def _says(there: Document, wanted: APIRule) -> bool:
    """The API server's defaults count as if they had been written."""
    try:
        return apirule.parse(there).spec == wanted.spec
    except Invalid:
        return False


def through_oathkeeper(survey: Survey, item: Item, others: Iterable[Item]) -> list[str]:
    """Old Rules of nobody's migration that still lead to its workloads."""
    services = {one.service for one in item.admissions}
    known = {key(rule) for one in [item, *others] for rule in one.kept.rules}
    return [
        key(one) for one in survey.of("Rule") if key(one) not in known and services & set(_upstreams(one))
    ]


def _upstreams(rule: Document) -> Iterator[str]:
    url = str(((rule.get("spec") or {}).get("upstream") or {}).get("url", ""))
    parts = url.partition("://")[2].partition("/")[0].partition(":")[0].split(".")
    if len(parts) > 1:
        yield f"{parts[1]}/{parts[0]}"


def notes(around: Cluster, wanted: APIRule, item: Item) -> Iterator[str]:
    if wanted.spec.enforcement == "Gateway":
        yield _GATEWAY
    if item.stage is Stage.BEFORE and not item.kept.routes:
        yield _NO_ROUTE.format(", ".join(hosts.full(wanted, around.gateways)))
    for workload in placement.workloads(wanted, around) if wanted.spec.enforcement == "Workload" else ():
        rules = [wanted.spec.rules[index] for index in workload.rules]
        issuers = sorted({one.issuer for rule in rules for one in rule.authentications})
        if issuers:
            yield _ISSUERS.format(workload.service, ", ".join(issuers))
