"""The way back, without a cluster: it ends where it was told to, from wherever it was interrupted."""

from typing import Any

import pytest

from authz.istio.migration import ROUTES, STAGE
from authz.migrate import stages
from authz.migrate.cluster import Stuck
from authz.migrate.journey import Choices, Journey
from authz.migrate.stages import Mark, Stage
from authz.migrate.surveyed import Survey
from tests.migrate.test_stages import SETTINGS, at, planned, state, writes, written

NOBODYS: Any = None


class Undo(Journey):
    """Of a cluster in memory, in which somebody else may take back what is done."""

    def __init__(self, now, *, disturbed=False):
        self.told: list[str] = []
        self.now, self._disturbed = now, disturbed
        super().__init__(NOBODYS, SETTINGS, [], Choices(), self.told.append)

    async def _survey(self):
        return Survey(tuple(self.now.values()), SETTINGS)

    async def _back(self, items):
        for one in (
            () if self._disturbed else [each for item in items for each in writes(stages.back(item)[1])]
        ):
            written(self.now, one)


def guarded():
    """Interrupted while the connections of before drain."""
    now = at(Stage.SHADOW)
    written(now, Mark("shop/orders", {STAGE: "guard", ROUTES: "shop/orders-x7k2p"}))
    return now


@pytest.mark.parametrize(
    ("now", "to", "stage", "mark"),
    [
        (guarded(), "shadow", Stage.SHADOW, "shadow"),
        (guarded(), "prepare", Stage.PREPARE, "prepare"),
        (guarded(), None, Stage.SHADOW, "shadow"),
        (at(Stage.SWITCH), None, Stage.SHADOW, "shadow"),
        (at(Stage.FINISH), "prepare", Stage.PREPARE, "prepare"),
        (at(Stage.FINISH), "switch", Stage.SWITCH, "switch"),
    ],
)
async def test_undo_ends_where_it_was_told_to(now, to, stage, mark):
    undo = Undo(now)
    assert await undo.undo(to, dry_run=False)
    assert planned(undo.now).item.stage is stage
    assert planned(undo.now).item.marked == mark


@pytest.mark.parametrize("now", [guarded(), at(Stage.FINISH)])
async def test_undo_to_before_leaves_nothing_on_its_way(now):
    undo = Undo(now)
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
    now["ConfigMap", "shop/orders-migration"]["data"]["before"] = "{}"
    undo = Undo(now)
    assert not await undo.undo("before", dry_run=False)
    assert "can not be read" in undo.told[1]


async def test_it_does_not_fight_with_somebody_who_goes_forward():
    with pytest.raises(Stuck, match="taken forward again"):
        await Undo(at(Stage.SWITCH), disturbed=True).undo("before", dry_run=False)
