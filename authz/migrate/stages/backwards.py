"""Whether Oathkeeper can still be relied on, and what keeps an APIRule from going back to it.

Pure. To go back is to write what once was: what has been changed since, or is shared, would break.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from authz.controller.kinds import Document, key
from authz.istio import apirule, obstacles
from authz.istio.cluster import Cluster
from authz.istio.problem import Invalid
from authz.migrate.stages.old_routes import changed
from authz.migrate.stages.steps import Item, Stage, leaving
from authz.migrate.stages.survey import Planned
from authz.migrate.stages.surveyed import Survey

_SHARED = (
    "its workload is also {}'s, whose guards would stay and refuse what passed before: undo them together"
)
_NO_SERVICE = "Service {}, to which VirtualService {} leads, is not there any more"
_NOBODY = "Service {}, to which VirtualService {} leads, has no pod that is ready"
_NO_RULES = (
    "its Rules have gone, and Oathkeeper has to have them again first: --oathkeeper says where its API is"
)


def furthest(found: Iterable[Planned], lowest: Stage) -> list[Planned]:
    """Those that are furthest above it, and go back together."""
    above = [one for one in found if leaving(one.item) > lowest]
    highest = max((leaving(one.item) for one in above), default=lowest)
    return [one for one in above if leaving(one.item) is highest]


def leaning(due: Iterable[Planned]) -> list[Planned]:
    """Those that will lean on Oathkeeper, and do not yet."""
    return [one for one in due if leaving(one.item) >= Stage.SWITCH]


def problems(
    survey: Survey, one: Planned, due: Sequence[Planned], every: Iterable[Planned], *, asked: bool
) -> Iterator[str]:
    """`asked` says that it is known whom to ask for Oathkeeper's rules."""
    item, stage = one.item, leaving(one.item)
    if stage in (Stage.SHADOW, Stage.SWITCH):
        yield from changed(survey, item)
    if stage is Stage.SWITCH:
        yield from _shared(one, due, {other.item.key: other.item for other in every})
    if stage is Stage.SWITCH or (stage is Stage.FINISH and not item.kept.rules):
        yield from unserved(survey, item)
    elif stage is Stage.FINISH:  # an Oathkeeper without a rule may not be ready yet
        yield from unserved(survey, item, ready=False)
    if stage is Stage.FINISH and item.kept.rules and not asked:
        yield _NO_RULES


def occupied(survey: Survey, standing: Cluster, item: Item) -> Iterator[str]:
    """By others than this APIRule: old routes would come back to hosts that it only names."""
    there = survey.find("APIRule", item.key)
    if there is None or leaving(item) < Stage.SHADOW:
        return
    try:
        yield from map(str, obstacles.of_hosts(apirule.parse(there), standing))
    except Invalid as invalid:
        yield from map(str, invalid.problems)


def _shared(one: Planned, due: Sequence[Planned], known: Mapping[str, Item]) -> Iterator[str]:
    going = {other.item.key for other in due}
    for name in one.neighbours:
        if name not in going and leaving(known[name]) >= Stage.SWITCH:
            yield _SHARED.format(name)


def unserved(survey: Survey, item: Item, *, ready: bool = True) -> Iterator[str]:
    """Where the old routes lead there is a Service, and behind it somebody, `ready` for requests."""
    slices: dict[str, list[Document]] = {}
    for one in survey.of("EndpointSlice"):
        service = (one["metadata"].get("labels") or {}).get("kubernetes.io/service-name", "")
        slices.setdefault(f"{one['metadata']['namespace']}/{service}", []).append(one)
    for route in item.kept.routes:
        for name in dict.fromkeys(_services(route)):
            service = survey.find("Service", name)
            if service is None:
                yield _NO_SERVICE.format(name, key(route))
            elif service["spec"].get("type") == "ExternalName":
                continue
            elif not any(_serves(one, ready=ready) for one in slices.get(name, ())):
                yield _NOBODY.format(name, key(route))


def _services(route: Document) -> Iterator[str]:
    """Those of the cluster, `namespace/name`; of other hosts a ServiceEntry may say where they are."""
    for http in route["spec"].get("http") or ():
        for one in http.get("route") or ():
            host = str((one.get("destination") or {}).get("host", ""))
            name, *rest = host.removesuffix(".svc.cluster.local").removesuffix(".svc").split(".")
            if len(rest) < 2:
                yield f"{rest[0] if rest else route['metadata']['namespace']}/{name}"


def _serves(piece: Document, *, ready: bool) -> bool:
    """Kubernetes takes an unknown state for ready."""
    endpoints = piece.get("endpoints") or ()
    return any(not ready or (each.get("conditions") or {}).get("ready") is not False for each in endpoints)
