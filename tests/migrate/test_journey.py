"""The way back, without a cluster: it ends where it was told to, from wherever it was interrupted."""

from typing import Any

import pytest
from click.testing import CliRunner

from authz.cli import main
from authz.istio.migration import ROUTES, STAGE
from authz.migrate.stages import cluster, saved
from authz.migrate.stages import steps as stages
from authz.migrate.stages.cluster import Stuck
from authz.migrate.stages.journey import Choices, Journey
from authz.migrate.stages.saved import KEPT, Saved
from authz.migrate.stages.steps import Stage
from authz.migrate.stages.surveyed import Survey
from authz.migrate.stages.writes import Mark, Put
from tests.migrate.rules_api import knowing
from tests.migrate.test_stages import SETTINGS, at, old_rule, planned, state, writes, written

NOBODYS: Any = None
NONE = Choices()


@pytest.mark.parametrize(
    "text",
    [
        "authz-shadow",
        "authz-shadow.authz-system",
        "authz-shadow:8080",
        "a.b:0",
        "a.b:65536",
        "a.b:x",
        "a.b.c:80",
    ],
)
def test_a_shadow_that_is_no_service_is_refused(text, tmp_path):
    config = tmp_path / "authz.yaml"
    config.write_text("istio: {provider: authz}")
    verb = ["migrate", "apply", "--config", str(config), "--shadow", text]
    result = CliRunner().invoke(main, verb)
    assert result.exit_code == 2
    assert "no NAME.NAMESPACE:PORT of a Service" in result.stderr


@pytest.mark.parametrize(
    ("shadow", "message"),
    [
        ("shade.shop:80", "Service shop/shade with port 80 not found"),
        ("orders.shop:81", "Service shop/orders with port 81 not found"),
    ],
)
async def test_copies_go_to_a_service_that_is_there(shadow, message):
    journey = Undo(at(Stage.PREPARE), choices=Choices(shadow=shadow))
    assert not await journey.apply(None, dry_run=True)
    assert message in journey.told[0]


class Undo(Journey):
    """Of a cluster in memory, in which somebody else may take back what is done."""

    def __init__(self, now, *, disturbed=False, choices=NONE):
        self.told: list[str] = []
        self.now, self._disturbed = now, disturbed
        super().__init__(NOBODYS, SETTINGS, [], choices, self.told.append)

    async def _survey(self):
        return Survey(tuple(self.now.values()), SETTINGS)

    async def _back(self, items):
        for one in (
            () if self._disturbed else [each for item in items for each in writes(stages.back(item)[1])]
        ):
            written(self.now, one)

    async def _forward(self, items, to, *_, **__):
        for one in [each for item in items for each in writes(stages.forward(item, to))]:
            written(self.now, one)


def guarded():
    """Interrupted while the connections of before drain."""
    now = at(Stage.SHADOW)
    written(now, Mark("shop/orders", {STAGE: "guard", ROUTES: "shop/orders-x7k2p"}, "shadow"))
    return now


def copied():
    """Interrupted when live requests were copied, and the APIRule was not marked yet."""
    prepare = ("APIRule", "shop/orders")
    return at(Stage.SHADOW) | {prepare: at(Stage.PREPARE)[prepare]}


@pytest.mark.parametrize(
    ("now", "to", "stage", "mark"),
    [
        (guarded(), "shadow", Stage.SHADOW, "shadow"),
        (guarded(), "prepare", Stage.PREPARE, "prepare"),
        (guarded(), None, Stage.SHADOW, "shadow"),
        (copied(), None, Stage.PREPARE, "prepare"),
        (copied(), "prepare", Stage.PREPARE, "prepare"),
        (at(Stage.SWITCH), None, Stage.SHADOW, "shadow"),
        (at(Stage.FINISH), "prepare", Stage.PREPARE, "prepare"),
        (at(Stage.FINISH), "switch", Stage.SWITCH, "switch"),
    ],
)
async def test_undo_ends_where_it_was_told_to(now, to, stage, mark):
    async with knowing([old_rule()]) as url:
        undo = Undo(now, choices=Choices(oathkeeper=[url]))
        assert await undo.undo(to, dry_run=False)
    assert planned(undo.now).item.stage is stage
    assert planned(undo.now).item.marked == mark


@pytest.mark.parametrize("to", [None, "prepare"])
async def test_undo_of_an_interrupted_shadow_ends_the_copies(to):
    undo = Undo(copied())
    assert await undo.undo(to, dry_run=False)
    route = ("VirtualService", "shop/orders-x7k2p")
    assert undo.now[route] == state()[route]


@pytest.mark.parametrize("now", [guarded(), copied(), at(Stage.FINISH)])
async def test_undo_to_before_leaves_nothing_on_its_way(now):
    async with knowing([old_rule()]) as url:
        undo = Undo(now, choices=Choices(oathkeeper=[url]))
        assert await undo.undo("before", dry_run=False)
    assert undo.now == state()


async def test_nothing_to_undo_is_said():
    undo = Undo(state())
    assert await undo.undo(None, dry_run=False)
    assert undo.told == ["nothing to undo: no APIRule is on its way"]


async def test_who_is_there_already_is_said():
    undo = Undo(at(Stage.SHADOW))
    assert await undo.undo("switch", dry_run=False)
    assert undo.told == ["shop/orders: is at shadow, nothing to undo"]


async def test_what_can_not_be_read_is_no_success():
    now = at(Stage.SWITCH)
    now["Secret", "shop/orders-migration"]["data"]["before"] = "{}"
    undo = Undo(now)
    assert not await undo.undo("before", dry_run=False)
    assert "can not be read" in undo.told[1]


async def test_it_does_not_fight_with_somebody_who_goes_forward():
    with pytest.raises(Stuck, match="taken forward again"):
        await Undo(at(Stage.SWITCH), disturbed=True).undo("before", dry_run=False)


class Holding:
    """An API server with one Secret; whatever is written is an error."""

    def __init__(self, labels):
        self._labels = labels

    async def get(self, *_):
        return {"metadata": {"name": "orders-migration", "namespace": "shop", "labels": self._labels}}


@pytest.mark.parametrize("labels", [None, {}, {"app.kubernetes.io/managed-by": "Helm"}])
async def test_a_secret_of_somebody_else_is_not_written_over(labels):
    api: Any = Holding(labels)
    with pytest.raises(Stuck, match="Secret shop/orders-migration is there and not of a migration"):
        await cluster.write(api, Put(KEPT, saved.secret(Saved("shop/orders"))))


def unswitched():
    """Interrupted before the old route went, or in an undo once it was there again."""
    route = ("VirtualService", "shop/orders-x7k2p")
    return at(Stage.SWITCH) | {route: at(Stage.SHADOW)[route]}


def unfinished():
    """Interrupted before the old Rules went."""
    return at(Stage.FINISH) | {("Rule", "shop/orders-0"): old_rule()}


@pytest.mark.parametrize("to", [None, "switch"])
async def test_an_interrupted_switch_goes_on(to):
    journey = Undo(unswitched())
    assert await journey.apply(to, dry_run=False)
    assert journey.now == at(Stage.SWITCH)


@pytest.mark.parametrize("to", [None, "finish"])
async def test_an_interrupted_finish_goes_on(to):
    journey = Undo(unfinished())
    assert await journey.apply(to, dry_run=False)
    assert journey.now == at(Stage.FINISH)


async def test_a_rule_that_came_after_the_end_is_not_taken_away():
    journey = Undo(at(Stage.FINISH) | {("Rule", "shop/orders-0"): old_rule(service="notes")})
    assert await journey.apply("finish", dry_run=False)
    assert ("Rule", "shop/orders-0") in journey.now


async def test_the_end_of_the_switch_comes_before_the_finish():
    journey = Undo(unswitched())
    assert await journey.apply("finish", dry_run=False)
    assert journey.now == at(Stage.FINISH)


class Restored(Undo):
    """Somebody puts the old route back at once."""

    async def _forward(self, items, to, *_, **__):
        await super()._forward(items, to)
        self.now = unswitched()


async def test_rules_do_not_go_while_an_old_route_leads_to_them():
    journey = Restored(unswitched())
    assert not await journey.apply("finish", dry_run=False)
    assert journey.now == unswitched()
    assert "an old route is still there" in journey.told[-1]


@pytest.mark.parametrize(
    ("now", "stage", "following"),
    [
        (unswitched(), "switch", "switch"),
        (at(Stage.SWITCH), "switch", "finish"),
        (unfinished(), "finish", "finish"),
        (at(Stage.FINISH), "finish", ""),
    ],
)
async def test_the_plan_shows_what_is_to_be_ended(now, stage, following):
    journey = Undo(now)
    row = list(journey.table(await journey.plan()))[1]
    assert row.split() == ["shop/orders", stage, *filter(None, [following])]
