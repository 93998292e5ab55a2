"""Two people at one APIRule, without a cluster: one of them stops, and no request passes untested."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest

from authz.controller.api import Refused
from authz.controller.kinds import VIRTUAL_SERVICES, key
from authz.istio.migration import STAGE
from authz.migrate.stages import cluster, saved
from authz.migrate.stages import steps as stages
from authz.migrate.stages.cluster import Stuck
from authz.migrate.stages.journey import Choices
from authz.migrate.stages.steps import Stage
from authz.migrate.stages.writes import Mark, Put, Remove, Write
from tests.migrate.test_journey import Undo
from tests.migrate.test_stages import (
    SHADOW,
    State,
    admits_gateway,
    at,
    is_served,
    planned,
    state,
    writes,
    written,
)

ROUTE = ("VirtualService", "shop/orders-x7k2p")
RULE = ("APIRule", "shop/orders")


class Memory:
    """An API server with a version for each object."""

    def __init__(self, now: State) -> None:
        self.now = now

    async def get(self, kind: Any, name: str) -> Any:
        if (kind.name, name) not in self.now:
            raise Refused(404, name)
        there = self.now[kind.name, name]
        return there | {"metadata": {"resourceVersion": "1"} | there["metadata"]}

    async def create(self, kind: Any, document: Any) -> None:
        self._keep(kind, document)

    async def replace(self, kind: Any, document: Any) -> None:
        self._keep(kind, document)

    async def delete(self, kind: Any, name: str, _version: str) -> None:
        del self.now[kind.name, name]

    async def merge(self, kind: Any, name: str, changes: Any) -> None:
        there = await self.get(kind, name)
        if changes["metadata"]["resourceVersion"] != there["metadata"]["resourceVersion"]:
            raise Refused(409, name)
        marks = saved.annotations(there) | changes["metadata"]["annotations"]
        kept = {mark: text for mark, text in marks.items() if text is not None}
        self._keep(kind, there | {"metadata": there["metadata"] | {"annotations": kept}})

    def _keep(self, kind: Any, document: Any) -> None:
        version = int(document["metadata"].get("resourceVersion", 0)) + 1
        metadata = document["metadata"] | {"resourceVersion": str(version)}
        self.now[kind.name, key(document)] = document | {"metadata": metadata}


def mark(now: State) -> str:
    return saved.annotations(now[RULE]).get(STAGE, "")


def is_open(now: State) -> bool:
    """Requests of the gateway that the old route no longer takes pass without a token."""
    return RULE in now and mark(now) == "switch" and ROUTE not in now and admits_gateway(now)


async def take(now: State, some: Any, *, serves: bool = True) -> bool:
    """False if somebody else is at it."""
    api: Any = Memory(now)
    try:
        for one in some:
            await cluster.write(api, one)
            assert not is_open(now)
            assert is_served(now) or not serves
    except Stuck:
        return False
    return True


STEPS = 4  # of the switch, and of its undo: whoever takes them waits after each


@pytest.mark.parametrize("before", range(1, STEPS + 1))
@pytest.mark.parametrize("pause", range(STEPS + 1))
async def test_an_undo_while_another_switches_opens_nothing(before, pause):
    now = at(Stage.SHADOW)
    switch = iter(stages.forward(planned(now).item, Stage.SWITCH))
    assert await take(now, writes(islice(switch, before)))
    undo = iter(stages.back(planned(now).item)[1])
    assert await take(now, writes(islice(undo, pause)))
    await take(now, writes(switch))
    await take(now, writes(undo))


async def test_who_wakes_up_after_an_undo_stops_before_the_new_route():
    now = at(Stage.SHADOW)
    switch = iter(stages.forward(planned(now).item, Stage.SWITCH))
    assert await take(now, writes(islice(switch, 2)))
    assert await take(now, writes(stages.back(planned(now).item)[1]))
    assert not await take(now, writes(switch))
    assert mark(now) == "shadow"
    assert now[ROUTE]["spec"] == at(Stage.SHADOW)[ROUTE]["spec"]


class Busy(Memory):
    """The controller writes its status between a look and a write, once."""

    async def merge(self, kind: Any, name: str, changes: Any) -> None:
        if self.now[RULE]["metadata"].get("resourceVersion") is None:
            self._keep(kind, await self.get(kind, name))
        await super().merge(kind, name, changes)


async def test_a_status_that_is_written_meanwhile_stops_nobody():
    api: Any = Busy(at(Stage.PREPARE))
    await cluster.write(api, Mark("shop/orders", {STAGE: "guard"}, "prepare"), pause_s=0)
    assert mark(api.now) == "guard"


def opened() -> State:
    """At `switch`, with the policy of before."""
    now = at(Stage.SWITCH)
    return now | {name: one for name, one in at(Stage.SHADOW).items() if name[0] == "AuthorizationPolicy"}


async def test_a_policy_that_does_not_guard_is_told_of_and_stops_it():
    journey = Undo(opened())
    assert is_open(journey.now)
    assert not await journey.apply("finish", dry_run=False)
    assert "may admit the gateway past the new rules" in journey.told[0]
    (line,) = planned(opened()).obstacles
    assert "undo to prepare, and switch again" in line


async def test_undo_goes_back_from_a_policy_that_does_not_guard():
    undo = Undo(opened(), choices=Choices())
    assert await undo.undo("prepare", dry_run=False)
    assert planned(undo.now).item.stage is Stage.PREPARE


async def meet(now: State, one: Sequence[Write], other: Sequence[Write], seen: set[str]) -> None:
    """All ways in which two go on, write by write; whoever is stopped takes no further one."""
    place = repr((len(one), len(other), sorted(now.items(), key=str)))
    if place in seen:
        return
    seen.add(place)
    for mine, theirs in ((one, other), (other, one)):
        if mine:
            then = dict(now)
            went_on = await take(then, mine[:1], serves=False)
            await meet(then, mine[1:] if went_on else (), theirs, seen)


FORWARD = [stage for stage in Stage if stage is not Stage.BEFORE]


@pytest.mark.parametrize("to", FORWARD)
async def test_an_undo_opens_nothing_wherever_it_meets_another_who_goes_forward(to):
    now, seen = at(Stage(to - 1)), set[str]()
    forward = list(writes(stages.forward(planned(now, shadow=SHADOW).item, to)))
    for done in range(len(forward) + 1):
        undo = list(writes(stages.back(planned(now).item)[1]))
        await meet(now, forward[done:], undo, seen)
        assert await take(now, forward[done : done + 1])
    assert len(seen) > len(forward)


async def test_a_switch_opens_nothing_wherever_it_meets_an_undo():
    now, seen = at(Stage.SWITCH), set[str]()
    undo = list(writes(stages.back(planned(now).item)[1]))
    for done in range(len(undo) + 1):
        again = list(writes(stages.forward(planned(now).item, Stage.SWITCH)))
        await meet(now, undo[done:], again, seen)
        assert await take(now, undo[done : done + 1])
    assert len(seen) > len(undo)


def of_route(undo: Sequence[Write]) -> list[int]:
    return [at for at, one in enumerate(undo) if isinstance(one, Put) and one.kind is VIRTUAL_SERVICES]


async def test_a_route_that_a_switch_still_takes_away_is_brought_back_by_the_undo():
    undo = list(writes(stages.back(planned(at(Stage.SWITCH)).item)[1]))
    *_, last = of_route(undo)
    for gone in range(last + 1):
        now = at(Stage.SWITCH)
        for one in undo[:gone]:
            written(now, one)
        now.pop(ROUTE, None)
        assert (await take(now, undo[gone:], serves=False) and ROUTE in now) or mark(now) == "switch"
    assert len(of_route(undo)) == 3


async def test_a_switch_that_ends_behind_an_undo_is_no_success():
    now = at(Stage.SHADOW)
    switch = list(writes(stages.forward(planned(now).item, Stage.SWITCH)))
    (last,) = [at for at, one in enumerate(switch) if isinstance(one, Remove)]
    assert await take(now, switch[:last])
    assert await take(now, islice(writes(stages.back(planned(now).item)[1]), 3))
    assert not await take(now, switch[last:])
    assert ROUTE in now


@pytest.mark.parametrize("stage", ["guard", "switch"])
async def test_who_prepares_by_an_old_plan_holds_nothing_that_has_gone_on(stage):
    now = at(Stage.PREPARE)
    old = writes(stages.forward(planned(state()).item, Stage.PREPARE))
    written(now, Mark("shop/orders", {STAGE: stage}, "prepare"))
    assert not await take(now, old, serves=False)
    assert mark(now) == stage


async def test_who_undoes_by_an_old_plan_takes_away_nothing_that_has_gone_on():
    old = list(writes(stages.back(planned(at(Stage.PREPARE)).item)[1]))
    now = at(Stage.SWITCH)
    assert not await take(now, old)
    assert now == at(Stage.SWITCH)
