"""The way to one endpoint: how many calls at once, who is turned away, and what counts as its fault."""

import asyncio
import statistics
import time
from contextlib import nullcontext
from itertools import pairwise

import httpx
import pytest

from authz.core.reason import Unavailable
from authz.sources.breaker import FAILURES_MAX
from authz.sources.gate import WAITING_PER_CALL_MAX, Gate
from authz.sources.http import Client
from tests.far_end import FarEnd
from tests.sources.fakes import settle

URL = "https://idp.example.com/ask?token=s3cret"


class Endpoint:
    """Answers with `status` when its gate is open."""

    def __init__(self) -> None:
        self.status = 200
        self.takes_s = 0.0
        self.calls = self.at_once = self.most = 0
        self.began: list[float] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, _: httpx.Request) -> httpx.Response:
        self.calls += 1
        self.began.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await self.gate.wait()
            await asyncio.sleep(self.takes_s)
        finally:
            self.at_once -= 1
        return httpx.Response(self.status, content=b"x" * 10)


@pytest.fixture
def endpoint():
    return Endpoint()


def gate(endpoint, clock, *, calls=4, timeout_s=5.0) -> Gate:
    return Gate(Client(transport=FarEnd(endpoint), timeout_s=timeout_s), clock, calls)


async def outcome(made: Gate) -> int | str:
    try:
        return (await made.ask("POST", URL, max_bytes=100)).status
    except Unavailable as error:
        return str(error)


async def test_so_many_calls_are_under_way_and_the_others_wait_their_turn(endpoint, clock):
    made = gate(endpoint, clock)
    endpoint.gate.clear()
    callers = [asyncio.create_task(outcome(made)) for _ in range(20)]
    await settle()
    assert (endpoint.at_once, endpoint.calls) == (4, 4)
    endpoint.gate.set()
    assert set(await asyncio.gather(*callers)) == {200}
    assert (endpoint.most, endpoint.calls, made.counts["answered"]) == (4, 20, 20)


async def test_beyond_those_who_may_wait_all_are_turned_away_at_once(endpoint, clock):
    made = gate(endpoint, clock)
    endpoint.gate.clear()
    waiting = 4 * (1 + WAITING_PER_CALL_MAX)
    callers = [asyncio.create_task(outcome(made)) for _ in range(waiting + 1_000)]
    await settle()
    assert [caller.done() for caller in callers].count(True) == made.counts["crowded"] == 1_000
    endpoint.gate.set()
    assert set(await asyncio.gather(*callers)) == {200, "too many calls wait"}
    assert endpoint.calls == waiting


async def test_who_has_been_let_in_counts_before_it_comes_to_wait(endpoint, clock):
    """Of those who come together, or all would be let in where there is room for one."""
    made = gate(endpoint, clock)
    most = 4 * (1 + WAITING_PER_CALL_MAX)
    made.check(most - 1)
    with pytest.raises(Unavailable, match="too many calls wait"):
        made.check(most)


async def test_where_calls_are_slow_only_so_many_wait_as_will_have_an_answer_in_time(endpoint, clock):
    """Each call takes 0.3 s of those 0.75 that one may wait: 4 at once, so 10 are soon enough."""
    made = gate(endpoint, clock)
    for _ in range(40):  # until it is known how long they take
        endpoint.gate.clear()
        caller = asyncio.create_task(outcome(made))
        await settle()
        clock.advance(0.3)
        endpoint.gate.set()
        await caller
    endpoint.gate.clear()
    callers = [asyncio.create_task(outcome(made)) for _ in range(100)]
    await settle()
    assert made.counts["crowded"] == 100 - 4 - 11
    endpoint.gate.set()
    await asyncio.gather(*callers)


async def test_calls_for_which_a_crowd_waits_do_not_all_begin_together(endpoint):
    """Each takes 0.05 s and 4 are under way: where these came back at once, they would go on so for ever."""
    made = gate(endpoint, time.monotonic)
    endpoint.takes_s = 0.05
    await asyncio.gather(*(outcome(made) for _ in range(40)))
    gaps = [later - earlier for earlier, later in pairwise(endpoint.began[8:-4])]
    assert statistics.median(gaps) > 0.05 / 4 / 4
    assert endpoint.most == 4


async def test_nobody_waits_for_a_place_longer_than_a_call_may_take(endpoint, clock):
    made = gate(endpoint, clock, calls=1, timeout_s=0.05)
    endpoint.gate.clear()
    answers = await asyncio.gather(*(outcome(made) for _ in range(3)))
    assert max(map(str, answers)) == "no call could be made in time"
    endpoint.gate.set()
    assert await outcome(made) == 200  # no place was lost


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (200, False),
        (302, False),
        (400, False),
        (401, False),
        (403, False),
        (429, True),
        (500, True),
        (503, True),
    ],
)
async def test_only_what_is_the_endpoints_own_fault_opens_the_breaker(endpoint, clock, status, fault):
    """A caller that can make it answer 400 must not be able to take it from the others."""
    made = gate(endpoint, clock)
    endpoint.status = status
    for _ in range(FAILURES_MAX):
        await outcome(made)
    assert made.breaker.is_closed is not fault


async def test_while_it_is_open_nobody_asks_and_after_a_pause_one_does(endpoint, clock):
    made = gate(endpoint, clock)
    endpoint.status = 500
    for _ in range(20):
        await outcome(made)
    assert (endpoint.calls, made.counts["failed"], made.counts["shut"]) == (FAILURES_MAX, FAILURES_MAX, 15)
    clock.advance(1)
    endpoint.status = 200
    endpoint.gate.clear()
    callers = [asyncio.create_task(outcome(made)) for _ in range(10)]
    await settle()
    assert endpoint.calls == FAILURES_MAX + 1
    endpoint.gate.set()
    assert [*await asyncio.gather(*callers)].count(200) == 1
    assert await outcome(made) == 200
    assert (made.breaker.is_closed, made.error, made.age_s) == (True, "", 0)


@pytest.mark.parametrize("status", [200, 500])
async def test_to_check_first_tells_what_asking_would(endpoint, clock, status):
    made = gate(endpoint, clock)
    endpoint.status = status
    for _ in range(FAILURES_MAX):
        made.check()
        await outcome(made)
    with nullcontext() if status == 200 else pytest.raises(Unavailable, match="not asked"):
        made.check()
    assert made.counts["shut"] == (status == 500)


async def test_those_who_waited_while_it_opened_do_not_ask(endpoint, clock):
    made = gate(endpoint, clock, calls=FAILURES_MAX)
    endpoint.status = 500
    await asyncio.gather(*(outcome(made) for _ in range(50)))
    assert endpoint.calls == FAILURES_MAX


async def test_what_is_said_of_a_failure_holds_no_query_and_no_body(endpoint, clock):
    endpoint.status = 500
    said = await outcome(gate(endpoint, clock))
    assert said == "POST https://idp.example.com/ask: status 500"
