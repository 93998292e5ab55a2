"""From one stage to the next: which objects are written, in which order, and when to wait.

Pure. Each step may be taken again: whoever was interrupted begins the stage anew. Callers notice nothing
before `switch`, and from its first step on the gateway's requests have to pass the new rules.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import assert_never

from authz.controller.kinds import APIRULES, VIRTUAL_SERVICES, Document, key
from authz.istio import migration
from authz.istio.migration import ROUTES, STAGE
from authz.migrate.stages import saved
from authz.migrate.stages.admission import EVERYONE, IN_CLUSTER, POLICIES, Admission
from authz.migrate.stages.saved import KEPT, KYMAS, RULES, Saved
from authz.migrate.stages.writes import At, Mark, Put, Remove, Specs, Still, Write


class Stage(IntEnum):
    """Where an APIRule is, in the order of the way."""

    BEFORE = 0
    PREPARE = 1
    SHADOW = 2
    SWITCH = 3
    FINISH = 4

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Step:
    """`awaited` is the migration's stage whose objects the controller has to have made; "" for none.

    `drains` says that not even a connection of before may be left when it is done; `rules` are those that
    Oathkeeper has to have by then.
    """

    what: str
    writes: tuple[Write, ...]
    awaited: str | None = ""
    drains: bool = False
    rules: tuple[Document, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One APIRule and all that its way depends on. `marked` is the stage that its annotation says."""

    apirule: Document
    kept: Saved
    marked: str = ""
    admissions: tuple[Admission, ...] = ()
    copied: bool = False  # live requests go to the shadow too

    @property
    def key(self) -> str:
        """Of the APIRule, `namespace/name`."""
        return key(self.apirule)

    @property
    def stage(self) -> Stage:
        """The last that was reached, or begun to be left."""
        return reached(self.marked, self.kept)


def reached(marked: str, kept: Saved | None) -> Stage:
    """By the annotation and the Secret."""
    if kept is None or not kept.begun:
        return Stage.BEFORE
    match marked:
        case migration.Stage.PREPARE:
            return Stage.PREPARE
        case migration.Stage.SHADOW:
            return Stage.SHADOW
        case migration.Stage.GUARD:
            return Stage.SHADOW if kept.shadow else Stage.PREPARE
        case migration.Stage.SWITCH:
            return Stage.SWITCH
        case _:
            return Stage.FINISH if kept.finished else Stage.BEFORE


def leaving(item: Item) -> Stage:
    """On the way back. Who has guards already is on the way to `switch`, and who has copies to `shadow`."""
    if item.marked == migration.Stage.GUARD:
        return Stage.SWITCH
    return Stage.SHADOW if item.stage is Stage.PREPARE and item.copied else item.stage


def forward(item: Item, to: Stage, *, keeps_callers: bool = True) -> tuple[Step, ...]:
    """The steps of one stage. Of those before it all have been taken."""
    match to:
        case Stage.BEFORE:
            return ()
        case Stage.PREPARE:
            return _prepare(item)
        case Stage.SHADOW:
            return _shadow(item)
        case Stage.SWITCH:
            return _switch(item)
        case Stage.FINISH:
            return _finish(item, keeps_callers=keeps_callers)
        case _:
            assert_never(to)


def back(item: Item) -> tuple[Stage, tuple[Step, ...]]:
    """To the stage before; the old routes come first."""
    match stage := leaving(item):
        case Stage.BEFORE:
            return Stage.BEFORE, ()
        case Stage.PREPARE:
            return Stage.BEFORE, _unprepare(item)
        case Stage.SHADOW:
            return Stage.PREPARE, _unshadow(item)
        case Stage.SWITCH:
            return Stage.SHADOW if item.kept.shadow else Stage.PREPARE, _unswitch(item)
        case Stage.FINISH:
            return Stage.SWITCH, _unfinish(item)
        case _:
            assert_never(stage)


def _prepare(item: Item) -> tuple[Step, ...]:
    metadata = item.apirule["metadata"]
    marks = saved.annotations(item.apirule) | dict.fromkeys(KYMAS) | _marks(item, migration.Stage.PREPARE)
    held = item.apirule | {"metadata": metadata | {"annotations": marks}}
    so_far = At(item.key, (item.marked, migration.Stage.PREPARE))
    return (
        Step("what stands is kept", (Put(KEPT, saved.secret(item.kept)),)),
        Step("whoever may call goes on to", _admitting(item, EVERYONE)),
        Step("the APIRule is there, and held", (Put(APIRULES, held, at=so_far),), migration.Stage.PREPARE),
    )


def _shadow(item: Item) -> tuple[Step, ...]:
    return (
        Step("where the copies go is kept", (Put(KEPT, saved.secret(item.kept)),)),
        Step("live requests are copied", _routes(item, mirrored=True)),
        _marking(item, migration.Stage.SHADOW, "the APIRule is still held"),
    )


def _switch(item: Item) -> tuple[Step, ...]:
    switch, is_switched = migration.Stage.SWITCH, item.marked == migration.Stage.SWITCH
    guarding = (
        _marking(item, migration.Stage.GUARD, "the new guards stand"),
        Step("from the gateway nobody passes but by them", _admitting(item, IN_CLUSTER), drains=True),
    )
    at = At(item.key, (switch,))
    gone = tuple(Remove(VIRTUAL_SERVICES, key(one), _was(item, one), at) for one in item.kept.routes)
    # While connections drained an undo may have begun: without its guards the new route is open.
    guarded = tuple(Still(POLICIES, one.document(IN_CLUSTER)) for one in item.admissions)
    marked = _mark(item, switch, switch if is_switched else migration.Stage.GUARD)
    still: tuple[Write, ...] = (*guarded, _mark(item, switch, switch))
    return (
        *(() if is_switched else guarding),
        Step("the new route stands, beside the old", (*guarded, marked), switch),
        Step("the old route goes", (*still, *gone, *still)),
    )


def _finish(item: Item, *, keeps_callers: bool) -> tuple[Step, ...]:
    shut = () if keeps_callers else tuple(Remove(POLICIES, one.key) for one in item.admissions)
    return (
        Step("that it ends is kept", (Put(KEPT, saved.secret(item.kept, finished=True)),)),
        Step("callers in the cluster are " + ("kept" if keeps_callers else "refused"), shut),
        Step("the APIRule is on its own", (Mark(item.key, {STAGE: None, ROUTES: None}, item.marked),), None),
        Step("the old Rules go", tuple(Remove(RULES, key(one), (one["spec"],)) for one in item.kept.rules)),
    )


def _unfinish(item: Item) -> tuple[Step, ...]:
    rules = tuple(Put(RULES, one, ()) for one in item.kept.rules)
    return (
        Step("Oathkeeper has the old Rules", rules, rules=item.kept.rules),
        Step("callers in the cluster are admitted", _admitting(item, IN_CLUSTER)),
        _marking(item, migration.Stage.SWITCH, "the APIRule is on its way again"),
        Step("it has not ended", (Put(KEPT, saved.secret(item.kept, finished=False)),)),
    )


def _unswitch(item: Item) -> tuple[Step, ...]:
    guard, to = migration.Stage.GUARD, migration.Stage.SHADOW if item.kept.shadow else migration.Stage.PREPARE
    routes = _routes(item, mirrored=bool(item.kept.shadow))
    there = tuple(Still(one.kind, one.document) for one in routes)
    everyone = _admitting(item, EVERYONE, At(item.key, (guard,)))
    return (
        Step("the old route is there", routes),
        # And again: a switch that is just ending may take the old route away between two looks at it.
        Step("the new route goes", (*there, _mark(item, guard, item.marked), *routes), guard),
        Step("whoever could call before, can", (_mark(item, guard, guard), *routes, *everyone)),
        Step("the new guards go", (_mark(item, to, guard),), to),
    )


def _unshadow(item: Item) -> tuple[Step, ...]:
    return (
        Step("live requests are not copied", _routes(item, mirrored=False)),
        _marking(item, migration.Stage.PREPARE, "the APIRule is still held"),
        Step("that there is no shadow is kept", (Put(KEPT, saved.secret(item.kept, shadow="")),)),
    )


def _unprepare(item: Item) -> tuple[Step, ...]:
    """An old APIRule stays, and stays held: as v2 it has no rules, and the API server takes none such."""
    old = item.kept.apirule
    kymas = {name: value for name, value in (saved.annotations(old) if old else {}).items() if name in KYMAS}
    first = (
        Mark(item.key, kymas, item.marked)
        if old
        else Remove(APIRULES, item.key, at=At(item.key, (item.marked,)))
    )
    return (
        Step("the APIRule is as it was", (first,)),
        Step("no policy is left", tuple(Remove(POLICIES, one.key) for one in item.admissions)),
        Step("nothing is kept", (Remove(KEPT, key(saved.secret(item.kept))),)),
    )


def _marking(item: Item, stage: migration.Stage, what: str) -> Step:
    return Step(what, (_mark(item, stage, item.marked),), stage)


def _mark(item: Item, stage: migration.Stage, was: str) -> Mark:
    return Mark(item.key, _marks(item, stage), was)


def _marks(item: Item, stage: migration.Stage) -> dict[str, str | None]:
    return {STAGE: stage, ROUTES: ",".join(key(one) for one in item.kept.routes) or None}


def _admitting(item: Item, whom: str, at: At | None = None) -> tuple[Write, ...]:
    return tuple(Put(POLICIES, one.document(whom), at=at) for one in item.admissions)


def _routes(item: Item, *, mirrored: bool) -> tuple[Put, ...]:
    return tuple(
        Put(VIRTUAL_SERVICES, saved.mirrored(one, item.kept.shadow) if mirrored else one, _was(item, one))
        for one in item.kept.routes
    )


def _was(item: Item, route: Document) -> Specs:
    """As it was before all, and as its copies went somewhere."""
    return route["spec"], *([saved.mirrored(route, item.kept.shadow)["spec"]] if item.kept.shadow else [])
