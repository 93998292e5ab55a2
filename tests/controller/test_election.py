"""Who leads: never two at once, whatever their clocks say."""

import asyncio
import itertools

import pytest

from authz.controller.api import Refused, Unreachable
from authz.controller.election import DEADLINE_S, DURATION_S, Election
from tests.controller.fakes import FakeApi


class Clock:
    """In seconds; each replica has its own."""

    def __init__(self, now_s=0.0):
        self.now_s = now_s

    def __call__(self):
        return self.now_s


@pytest.fixture
def api():
    return FakeApi()


def replica(api, name, now_s=0.0):
    clock = Clock(now_s)
    return Election(api, "n/lease", name, clock), clock


async def attempt(election):
    try:
        await election._attempt()
    except (Refused, Unreachable):
        return False
    return election.leads()


async def test_the_first_leads_and_the_second_does_not(api):
    (first, _), (second, _) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    assert not await attempt(second)
    assert await attempt(first)


@pytest.mark.parametrize("skew_s", [-1e6, 0.0, 1e6])
async def test_a_lease_is_taken_once_it_was_seen_unchanged_for_its_whole_time(api, skew_s):
    (first, _), (second, clock) = replica(api, "a"), replica(api, "b", skew_s)
    assert await attempt(first)
    assert not await attempt(second)
    clock.now_s += DURATION_S - 0.1
    assert not await attempt(second)
    clock.now_s += 0.2
    assert await attempt(second)
    assert api.objects["n/lease"]["spec"]["leaseTransitions"] == 1


async def test_a_renewed_lease_is_not_taken(api):
    (first, _), (second, clock) = replica(api, "a"), replica(api, "b")
    for _ in range(10):
        assert await attempt(first)
        assert not await attempt(second)
        clock.now_s += 0.9 * DURATION_S


async def test_who_can_not_renew_stops_leading_before_another_can(api):
    (first, clock), (second, other) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    assert not await attempt(second)
    for elapsed_s in (1.0 * second_ for second_ in range(30)):
        clock.now_s = other.now_s = elapsed_s
        api.errors = [Unreachable("down")]
        await attempt(first)
        other_leads = await attempt(second)
        assert not (first.leads() and other_leads)
        assert first.leads() == (elapsed_s < DEADLINE_S)
    assert second.leads()


async def test_who_comes_back_late_finds_that_another_leads(api):
    (first, clock), (second, other) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    assert not await attempt(second)
    other.now_s = clock.now_s = 60.0
    assert await attempt(second)
    assert not await attempt(first)


async def test_of_two_who_take_it_together_one_is_told_no(api):
    (first, clock), (second, other) = replica(api, "a"), replica(api, "b")
    third, last = replica(api, "c")
    assert await attempt(third)
    for one in (first, second):
        assert not await attempt(one)
    clock.now_s = other.now_s = last.now_s = 60.0
    found = await first._look()
    assert await attempt(second)
    with pytest.raises(Refused):
        await api.replace(None, first._written(found))


async def test_who_leaves_lets_the_next_one_lead_at_once(api):
    (first, _), (second, clock) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    await first.release()
    assert not first.leads()
    clock.now_s += 0.01
    assert await attempt(second)


async def test_a_new_life_does_not_take_itself_for_the_old_one(api):
    names = (f"host_{number}" for number in itertools.count())
    (first, _), (second, _) = replica(api, next(names)), replica(api, next(names))
    assert await attempt(first)
    assert not await attempt(second)


async def test_who_does_not_lead_releases_nobody_elses_lease(api):
    (first, _), (second, _) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    assert not await attempt(second)
    await second.release()
    assert api.objects["n/lease"]["spec"]["holderIdentity"] == "a"


async def test_a_lease_of_longer_duration_is_waited_for(api):
    (first, _), (second, clock) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    api.objects["n/lease"]["spec"]["leaseDurationSeconds"] = 4 * DURATION_S
    assert not await attempt(second)
    clock.now_s += 2 * DURATION_S
    assert not await attempt(second)
    clock.now_s += 3 * DURATION_S
    assert await attempt(second)


async def test_who_sees_another_name_on_the_lease_leads_no_more_at_once(api):
    (first, _), (second, _) = replica(api, "a"), replica(api, "b")
    assert await attempt(first)
    await first.release()
    assert await attempt(second)
    first._renewed_s = 0.0
    assert not await attempt(first)
    assert not first.leads()


async def test_who_may_not_read_the_lease_does_not_make_one(api):
    first, _ = replica(api, "a")
    api.errors = [Refused(403, "no")]
    assert not await attempt(first)
    assert api.objects == {}


@pytest.mark.parametrize(("error", "leads"), [(Refused(409, "quicker"), False), (Unreachable("down"), True)])
async def test_a_leader_that_is_told_that_somebody_was_quicker_stops_at_once(api, error, leads):
    first, _ = replica(api, "a")
    assert await attempt(first)
    api.errors = [error]
    running = asyncio.create_task(first.run())
    for _ in range(5):
        await asyncio.sleep(0)
    assert api.errors == []
    assert first.leads() is leads
    await asyncio.wait_for(first.until(leads=leads), 1)
    running.cancel()
