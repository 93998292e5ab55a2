"""Who fights for an object with somebody else does so at a bounded pace."""

import pytest

from authz.controller import facts, kinds
from authz.controller.api import Unreachable
from authz.controller.held import FINALIZER
from authz.controller.leader import Leader
from authz.controller.reconcile import Reconciler
from authz.controller.rewrites import TIMES_MAX, WINDOW_S, Contested, Rewrites, lost
from authz.controller.status import Disputed, Done
from authz.controller.telemetry import Telemetry
from authz.controller.workqueue import BACKOFF_MAX_S, Queue
from tests.controller.clusters import EXT, PUBLIC, apirule
from tests.controller.fakes import FakeApi
from tests.controller.worlds import Alone

ROUTE = ("VirtualService", "shop/a")


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def rewrites(now):
    found = Rewrites(lambda: now[0])
    for _ in range(TIMES_MAX):
        with found.counted(ROUTE, b"a"):
            pass
    return found


@pytest.mark.parametrize("passed_s", [0.0, WINDOW_S - 1])
def test_the_same_is_not_written_again_and_again(rewrites, now, passed_s):
    now[0] += passed_s
    with (
        pytest.raises(Contested, match="VirtualService shop/a was put back 10 times within a minute"),
        rewrites.counted(ROUTE, b"a"),
    ):
        pytest.fail("it was written")


@pytest.mark.parametrize("passed_s", [WINDOW_S, -1.0], ids=["later", "the clock was set back"])
def test_it_goes_on_after_a_while(rewrites, now, passed_s):
    now[0] += passed_s
    with rewrites.counted(ROUTE, b"a"):
        pass


def test_an_edit_counts_anew(rewrites):
    with rewrites.counted(ROUTE, b"b"), rewrites.counted(ROUTE):
        pass


def test_what_was_not_written_does_not_count(now):
    rewrites = Rewrites(lambda: now[0])
    for _ in range(TIMES_MAX + 1):
        with pytest.raises(Unreachable), rewrites.counted(ROUTE, b"a"):
            raise Unreachable


class Patience(Queue):
    """How long at most it is told to wait."""

    def __init__(self):
        super().__init__(lambda: 0.0)
        self.longest_s = []

    def retry(self, key, longest_s=BACKOFF_MAX_S):  # noqa: ARG002 - as its parent
        self.longest_s.append(longest_s)
        return longest_s


class Written(FakeApi):
    """Whatever is applied is as it shall be."""

    async def apply(self, kind, document):  # noqa: ARG002 - as its parent
        return self._write(document)

    async def list(self, kind, query):  # noqa: ARG002 - as its parent
        return {"metadata": {}, "items": []}  # pods


@pytest.fixture
def api():
    return Written()


@pytest.fixture
def alone(api):
    alone = Alone()
    alone.reconciler = Reconciler(api, alone.world, None, None, lambda: 0.0)  # type: ignore[arg-type]
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    return alone


async def fought_for(alone, api, undo):
    """What comes of each attempt, where somebody else undoes it every time."""
    told = []
    for _ in range(TIMES_MAX + 2):
        told.append(await alone.reconciler._pursue(alone.world.rules["shop/a"]))
        undo(alone.world, api)
    return told


def take_the_route(world, _):
    world.virtual_services.forget("shop/a")


def take_the_guards(world, _):
    for key in [*world.policies.known]:
        world.policies.forget(key)


def weaken_the_guards(world, api):
    for key in world.policies.known:
        world.policies.put(api._write(api.objects[key] | {"spec": {"rules": [{}]}}))


@pytest.mark.parametrize("undo", [take_the_route, weaken_the_guards])
async def test_the_author_is_told(alone, api, undo):
    *good, last = await fought_for(alone, api, undo)
    assert good[:TIMES_MAX] == [Done()] * TIMES_MAX
    assert isinstance(last, Disputed)
    assert "was put back 10 times within a minute" in last.message


async def test_a_guard_that_somebody_takes_away_is_put_back_every_time(alone, api):
    assert await fought_for(alone, api, take_the_guards) == [Done()] * (TIMES_MAX + 2)


def take_hosts_from_the_route_and_the_guards(world, api):
    route = api.objects["shop/a"]
    world.virtual_services.put(
        api._write(route | {"spec": route["spec"] | {"hosts": ["a.example.com", "x.org"]}})
    )
    take_the_guards(world, api)


async def test_a_guard_is_put_back_though_the_route_is_fought_for(alone, api):
    told = await fought_for(alone, api, take_hosts_from_the_route_and_the_guards)
    assert isinstance(told[-1], Disputed)
    assert not alone.world.policies.known
    assert isinstance(await alone.reconciler._pursue(alone.world.rules["shop/a"]), Disputed)
    assert [one.owner for one in alone.world.policies.known.values()] == ["shop/a"]


def test_of_guards_that_are_to_become_others_none_is_written_out_of_turn(alone):
    """Neither is one that is lost beside them: its place is in the edit."""
    assert alone.run() == {"shop/a": "done"}
    there = alone.world.actual("shop/a")
    alone.put(apirule("a", EXT | {"methods": ["POST"]}), generation=2)
    edited = facts.gather(alone.world.rules["shop/a"], alone.world).translated
    assert lost(edited, there) == ()
    assert {step.id for phase in lost(edited, []) for step in phase} == {
        (made["kind"], kinds.key(made)) for made in edited if made["kind"] == "AuthorizationPolicy"
    }


@pytest.mark.parametrize("outcome", [Disputed("again"), Contested(ROUTE)])
def test_it_is_tried_again_when_the_minute_is_over(outcome):
    queue, telemetry = Patience(), Telemetry()
    Leader(queue, None, telemetry)._conclude("shop/a", outcome)  # type: ignore[arg-type]
    assert queue.longest_s == [WINDOW_S]
    assert b'errors_total{cause="disputed"} 1.0' in telemetry.page()
