"""APIRules that are to be migrated, or on their way: how far each has come, and all that its way depends on.

Pure: documents in, values out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from authz.controller.kinds import Document, key
from authz.istio import apirule, hosts, objects, placement, strangers
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.migration import PREFIX, STAGE
from authz.istio.problem import Invalid
from authz.migrate.stages import allows, copies, hindrances, lost, planted, saved
from authz.migrate.stages.admission import Admission
from authz.migrate.stages.planted import Foreign
from authz.migrate.stages.saved import Saved, TooLarge
from authz.migrate.stages.steps import Item, Stage
from authz.migrate.stages.surveyed import Survey, owner

_BROKEN = "Secret {}-migration can not be read or has objects of others, somebody has edited it"
_TOGETHER = "shares its workload with {}: switch them together"


@dataclass(frozen=True, slots=True)
class Planned:
    """One APIRule; `obstacles` keep it where it is, `notes` are to be known. `pods` are its workloads.

    `unfinished` says that what its stage takes away in the end is still there.
    """

    item: Item
    obstacles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    pods: frozenset[object] = field(default=frozenset(), compare=False)
    unfinished: bool = False


def plan(survey: Survey, wanted: Sequence[Document], shadow: str = "") -> list[Planned]:
    """For each APIRule that a file has or that is on its way."""
    moving = [one for one in survey.of("APIRule") if _is_moving(survey, one)]
    named = {key(one) for one in wanted}
    every = [*wanted, *(saved.plain(one) for one in moving if key(one) not in named)]
    around = survey.around(every)
    planned = [_planned(survey, around, one, shadow) for one in every]
    return [_with_neighbours(one, planned) for one in planned]


def _is_moving(survey: Survey, document: Document) -> bool:
    """An old one that has gone back to `before` stays held at `prepare`, and has nothing kept."""
    marked = saved.annotations(document).get(STAGE, "") not in ("", "prepare")
    return marked or survey.find("Secret", f"{key(document)}-migration") is not None


def _planned(survey: Survey, around: Cluster, wanted: Document, shadow: str) -> Planned:
    name, there = key(wanted), survey.find("APIRule", key(wanted))
    try:
        parsed = apirule.parse(_unmarked(wanted))
        kept = _kept(survey, around, parsed, there)
    except Invalid as invalid:
        return Planned(Item(wanted, Saved(name)), tuple(map(str, invalid.problems)))
    except (TooLarge, Foreign) as error:
        return Planned(Item(wanted, Saved(name)), (str(error),))
    except (AttributeError, KeyError, ValueError, TypeError):
        return Planned(Item(wanted, Saved(name)), (_BROKEN.format(name),))
    marked = saved.annotations(there).get(STAGE, "") if there else ""
    item = Item(
        _unmarked(wanted),
        kept if not shadow else replace(kept, shadow=shadow),
        marked,
        tuple(_admissions(around, parsed)) if kept.admits else (),
        copies.are_made(survey, kept),
    )
    return Planned(
        item,
        tuple(lost.problems(survey, parsed, item))
        or tuple(hindrances.obstacles(survey, around, parsed, item)),
        tuple(hindrances.notes(around, parsed, item)),
        hosts=hosts.full(parsed, around.gateways),
        pods=frozenset(one.pods for one in placement.workloads(parsed, around)),
        unfinished=_is_unfinished(survey, item),
    )


def _is_unfinished(survey: Survey, item: Item) -> bool:
    """Who was interrupted there goes on; a Rule that says something else by now is somebody's new one."""
    match item.stage:
        case Stage.SWITCH:
            return any(survey.find("VirtualService", key(one)) for one in item.kept.routes)
        case Stage.FINISH:
            found = ((one, survey.find("Rule", key(one))) for one in item.kept.rules)
            return any(there and there["spec"] == one["spec"] for one, there in found)
        case _:
            return False


def _unmarked(document: Document) -> Document:
    """Without what a migration writes."""
    marks = saved.annotations(document)
    kept = {name: value for name, value in marks.items() if not name.startswith(PREFIX)}
    return saved.plain(document | {"metadata": document["metadata"] | {"annotations": kept}})


def _kept(survey: Survey, around: Cluster, wanted: APIRule, there: Document | None) -> Saved:
    """What was kept when it began, else what stands now."""
    if found := survey.find("Secret", f"{wanted.key}-migration"):
        kept = _own(saved.read(found), wanted)
        planted.check(kept, wanted, hosts.full(wanted, around.gateways))
        return kept
    kept = Saved(
        wanted.key,
        apirule=saved.plain(there) if there else None,
        routes=tuple(saved.plain(one) for one in _routes(survey, around, wanted)),
        rules=tuple(saved.plain(one) for one in _rules(survey, around, wanted)),
        admits=wanted.spec.enforcement == "Workload"
        and not any(allows.guarding(survey, placement.workloads(wanted, around))),
    )
    saved.secret(kept)
    return kept


def _own(kept: Saved, wanted: APIRule) -> Saved:
    """Whoever may write Secrets in one namespace sends nobody's hand to another. Raises ValueError."""
    apirules = [kept.apirule] if kept.apirule else []
    parts = (("APIRule", apirules), ("VirtualService", kept.routes), ("Rule", kept.rules))
    for kind, one in ((kind, one) for kind, found in parts for one in found):
        if one["kind"] != kind or one["metadata"]["namespace"] != wanted.namespace:
            raise ValueError(kind)
    if any(key(one) != wanted.key for one in apirules):
        raise ValueError(wanted.key)
    return kept


def _routes(survey: Survey, around: Cluster, wanted: APIRule) -> Iterator[Document]:
    """VirtualServices that serve its hosts at its Gateway, but for the one that it becomes."""
    own = set(hosts.full(wanted, around.gateways))
    for one in survey.of("VirtualService"):
        for found in objects.read(objects.VirtualService, [one], []):
            ours = found.key == wanted.key and owner(one) == wanted.key
            at_gateway = wanted.spec.gateway in strangers.gateways(found)
            if at_gateway and not ours and own & set(map(str.lower, found.spec.hosts)):
                yield one


def _rules(survey: Survey, around: Cluster, wanted: APIRule) -> Iterator[Document]:
    """Oathkeeper's: by Kyma's labels, or by the host in their URL."""
    own = hosts.full(wanted, around.gateways)
    for one in survey.of("Rule"):
        match = (one.get("spec") or {}).get("match") or {}
        host = str(match.get("url", "")).partition("://")[2].partition("/")[0].partition("<")[0]
        if owner(one) == wanted.key or host.partition(":")[0].lower() in own:
            yield one


def _admissions(around: Cluster, wanted: APIRule) -> Iterator[Admission]:
    gateway = around.gateways.get(wanted.spec.gateway, hosts.Gateway())
    names = [host for host in hosts.full(wanted, around.gateways) if host]
    authorities = tuple(each for host in names for each in hosts.authorities(host, gateway.ports))
    principal = around.settings.gateway_principal
    for one in placement.workloads(wanted, around):
        yield Admission(wanted.key, one.service, one.selector, principal, authorities)


def _with_neighbours(one: Planned, every: Iterable[Planned]) -> Planned:
    others = sorted(other.item.key for other in every if other is not one and other.pods & one.pods)
    notes = [_TOGETHER.format(", ".join(others))] if others else []
    return replace(one, notes=(*one.notes, *notes), neighbours=tuple(others))
