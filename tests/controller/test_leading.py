"""What an APIRule is told, and when its guards go, while the cluster or the leader changes."""

import asyncio
import time

import pytest

from authz.controller.api import Unreachable
from authz.controller.election import DEADLINE_S
from authz.controller.held import FINALIZER
from authz.controller.kubeconfig import Access
from authz.controller.leader import Leader
from authz.controller.reconcile import Reconciler
from authz.controller.rewrites import TIMES_MAX
from authz.controller.run import made
from authz.controller.status import Done, Waiting
from authz.controller.telemetry import Telemetry
from authz.controller.workqueue import Queue
from tests.controller.clusters import PUBLIC, SETTINGS, apirule, eventually
from tests.controller.fakes import FakeApi
from tests.controller.worlds import Alone

OUTLIVE_S = 0.2


class Answering(FakeApi):
    """Takes everything, after what `meanwhile` does; a status is kept."""

    def __init__(self):
        super().__init__()
        self.meanwhile = lambda: None
        self.statuses = []
        self.held = False

    async def apply(self, kind, document):  # noqa: ARG002 - as its parent
        self._fail()
        self.meanwhile()
        self.version += 1
        return document | {"metadata": document["metadata"] | {"resourceVersion": str(self.version)}}

    async def merge(self, kind, key, changes, sub=""):  # noqa: ARG002 - as its parent
        self.statuses.append(changes["status"])
        raise Gone

    async def delete(self, kind, key, version=""):  # noqa: ARG002 - as its parent
        return {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}} if self.held else {}


class Gone(Exception):
    """A test has seen enough."""


@pytest.fixture
def api():
    return Answering()


@pytest.fixture
def alone(api):
    alone = Alone()
    alone.reconciler = Reconciler(api, alone.world, Telemetry(), None, lambda: 0.0)  # type: ignore[arg-type]
    return alone


async def test_the_hosts_that_are_told_are_those_that_were_judged(alone, api):
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    api.meanwhile = lambda: alone.put(apirule("a", PUBLIC, "b.example.com"), generation=2)
    with pytest.raises(Gone):
        await alone.reconciler.reconcile("shop/a")
    assert alone.world.claims.of("shop/a").hosts == ("b.example.com",)
    (told,) = api.statuses
    assert told["hosts"] == ["a.example.com"]


async def test_an_api_server_that_does_not_answer_is_no_fight(alone, api):
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    await alone.reconciler._pursue(alone.world.rules["shop/a"])
    alone.world.virtual_services.forget("shop/a")
    for _ in range(TIMES_MAX + 1):
        api.errors = [Unreachable()]
        with pytest.raises(Unreachable):
            await alone.reconciler._pursue(alone.world.rules["shop/a"])
    assert await alone.reconciler._pursue(alone.world.rules["shop/a"]) == Done()


async def test_who_leads_again_lets_guards_stay_for_the_whole_time(alone):
    alone.reconciler.guards_outlive_s = OUTLIVE_S
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    await alone.reconciler._pursue(alone.world.rules["shop/a"])
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER], deletionTimestamp="2026-01-01T00:00:00Z")
    assert isinstance(await alone.reconciler.reconcile("shop/a"), Waiting)
    await asyncio.sleep(OUTLIVE_S)
    leading = asyncio.create_task(Leader(Queue(lambda: 0.0), alone.reconciler, Telemetry()).run())
    await asyncio.sleep(0)
    leading.cancel()
    assert isinstance(await alone.reconciler.reconcile("shop/a"), Waiting)


async def test_what_a_finalizer_of_somebody_else_holds_is_named_in_the_log(alone, api, capsys):
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    await alone.reconciler._pursue(alone.world.rules["shop/a"])
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER], deletionTimestamp="2026-01-01T00:00:00Z")
    api.held = True
    queue = Queue(asyncio.get_running_loop().time)
    queue.add("shop/a")
    leading = asyncio.create_task(Leader(queue, alone.reconciler, Telemetry(), workers=1).run())
    while not queue.is_failing("shop/a"):  # noqa: ASYNC110 - nobody says so
        await asyncio.sleep(0)
    leading.cancel()
    queue.clear()
    assert "VirtualService shop/a is held by a finalizer of somebody else's" in capsys.readouterr().out


async def test_what_goes_takes_its_objects_with_it_though_nobody_waits_for_that(alone):
    """Somebody took our finalizer away, and another one's keeps it."""
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    await alone.reconciler._pursue(alone.world.rules["shop/a"])
    kept = ["somebody.example.com/else"]
    alone.put(apirule("a", PUBLIC), finalizers=kept, deletionTimestamp="2026-01-01T00:00:00Z")
    assert await alone.reconciler.reconcile("shop/a") == Done()
    assert alone.world.actual("shop/a") == []


@pytest.fixture
async def controller():
    controller = made(SETTINGS, Access("http://127.0.0.1:1", None))
    yield controller
    await controller.close()


async def test_nothing_is_at_work_any_more_when_it_lets_go_of_the_lease(controller):
    others = asyncio.all_tasks()
    controller.election._renewed_s = time.monotonic()
    leading = asyncio.create_task(controller._lead())
    await asyncio.sleep(0.01)
    assert len(asyncio.all_tasks() - others) > 3  # it asks what has happened
    leading.cancel()
    await asyncio.wait([leading])
    assert asyncio.all_tasks() == others


async def test_the_queue_of_one_that_does_not_lead_is_no_news(controller):
    controller.election._renewed_s = time.monotonic()
    leading = asyncio.create_task(controller._lead())
    controller.world.concern("shop/a")
    controller.queue.retry("shop/b")
    await asyncio.sleep(0.01)
    assert (gauge(controller, "queue_depth"), gauge(controller, "queue_failing")) == (1, 1)
    controller.election._renewed_s -= DEADLINE_S

    async def none_fails():
        return gauge(controller, "queue_failing") == 0

    await eventually(none_fails, 5)
    controller.world.concern("shop/c")
    assert gauge(controller, "queue_depth") == 0
    leading.cancel()
    await asyncio.wait([leading])


def gauge(controller, name):
    return controller._gauges()[f"authz_controller_{name}"][""]
