"""What a worker makes of an outcome: whoever has not come to rest is looked at again, and not too often."""

import asyncio

import pytest

from authz.controller.api import NotLeading, Refused, Unreachable
from authz.controller.leader import ABSENT_MAX_S, Leader
from authz.controller.rewrites import WINDOW_S
from authz.controller.status import Disputed, Done, Failed, Obstructed, Unreadable, Waiting
from authz.controller.telemetry import Telemetry
from authz.controller.workqueue import BACKOFF_MAX_S, Queue
from authz.istio.problem import Problem

PROBLEMS = (Problem("spec.service", "Service not found"),)
MANY = 40  # failures in a row


@pytest.fixture
async def queue():
    queue = Queue(asyncio.get_running_loop().time, jitter=lambda: 1.0)
    yield queue
    queue.clear()


@pytest.fixture
def leader(queue):
    return Leader(queue, None, Telemetry())  # type: ignore[arg-type]


def planned_s(queue):
    """In how many seconds it comes again, if at all."""
    handle = queue._later.get("shop/a")
    return handle and handle.when() - asyncio.get_running_loop().time()


@pytest.mark.parametrize(
    ("outcome", "longest_s"),
    [
        (Waiting("for b"), ABSENT_MAX_S),
        (Unreachable("away"), ABSENT_MAX_S),
        (Failed("500: no"), BACKOFF_MAX_S),
        (Disputed("again"), WINDOW_S),
        (Refused(409, "conflict"), BACKOFF_MAX_S),
        (Refused(403, "no"), BACKOFF_MAX_S),
        (Obstructed(PROBLEMS, unseen=True), BACKOFF_MAX_S),
        (KeyError("a bug"), BACKOFF_MAX_S),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_has_not_come_to_rest_comes_again_and_later_each_time(queue, leader, outcome, longest_s):
    leader._conclude("shop/a", outcome)
    assert planned_s(queue) == pytest.approx(0.1, abs=0.01)
    assert queue.is_failing("shop/a")
    for _ in range(MANY):
        queue._later.clear()
        leader._conclude("shop/a", outcome)
    assert planned_s(queue) == pytest.approx(longest_s, abs=0.1)


@pytest.mark.parametrize("outcome", [Done(), Unreadable(PROBLEMS), Obstructed(PROBLEMS)])
async def test_what_waits_for_an_event_is_not_asked_again(queue, leader, outcome):
    leader._conclude("shop/a", Failed("500: no"))
    queue._later.clear()
    leader._conclude("shop/a", outcome)
    assert planned_s(queue) is None
    assert not queue.is_failing("shop/a")


async def test_who_leads_no_more_has_not_failed(queue, leader):
    leader._conclude("shop/a", NotLeading())
    assert planned_s(queue) == pytest.approx(ABSENT_MAX_S, abs=0.1)
    assert not queue.is_failing("shop/a")


async def test_a_server_that_is_away_is_told_once(leader, capsys):
    for _ in range(3):
        leader._conclude("shop/a", Unreachable("away"))
    assert capsys.readouterr().out.count("the API server does not answer") == 1


@pytest.mark.parametrize(
    ("outcome", "cause", "told"),
    [
        (Unreachable("away"), "unreachable", "away"),
        (Failed("500: no"), "refused", "500: no"),
        (Refused(403, "no"), "refused", "403: no"),
        (Refused(409, "changed"), "conflict", ""),
        (KeyError("a bug"), "bug", "a bug"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_failed_is_counted_and_told(queue, capsys, outcome, cause, told):
    telemetry = Telemetry()
    Leader(queue, None, telemetry)._conclude("shop/a", outcome)  # type: ignore[arg-type]
    assert f'errors_total{{cause="{cause}"}} 1.0' in telemetry.page().decode()
    out = capsys.readouterr().out
    assert told in out
    assert bool(out) == bool(told)


class Failing:
    """Fails each time; the worker goes on."""

    def __init__(self):
        self.keys = []

    def begin(self):
        pass

    async def reconcile(self, key):
        self.keys.append(key)
        raise KeyError(key)


async def test_a_bug_stops_neither_its_worker_nor_another_look(queue):
    failing = Failing()
    leading = asyncio.create_task(Leader(queue, failing, Telemetry(), workers=1).run())  # type: ignore[arg-type]
    for key in ("shop/a", "shop/b"):
        queue.add(key)
    while len(failing.keys) < 2 or not queue.idle:  # noqa: ASYNC110 - nobody says so
        await asyncio.sleep(0)
    queue.add("shop/a")
    while len(failing.keys) < 3:  # noqa: ASYNC110 - nobody says so
        await asyncio.sleep(0)
    leading.cancel()
    assert failing.keys == ["shop/a", "shop/b", "shop/a"]
