"""A fetched value: when it is asked for and who waits."""

import asyncio

import pytest

from authz.core.reason import Unavailable
from authz.sources.fetched import Fetched
from tests.sources.fakes import settle


async def test_the_first_caller_waits_and_the_next_does_not(fetched, origin):
    assert await fetched.get() == "one"
    assert fetched.peek() == await fetched.get() == "one"
    assert (origin.calls, fetched.generation, fetched.error, fetched.age_s) == (1, 1, "", 0)


async def test_peek_starts_the_first_call_and_never_waits(fetched, origin):
    assert fetched.peek() is None
    await settle()
    assert (fetched.peek(), origin.calls) == ("one", 1)


async def test_a_thousand_callers_share_one_call(fetched, origin):
    origin.gate.clear()
    callers = [asyncio.create_task(fetched.get()) for _ in range(1_000)]
    await settle()
    origin.gate.set()
    assert set(await asyncio.gather(*callers)) == {"one"}
    assert origin.calls == 1


async def test_a_cancelled_caller_does_not_cancel_the_call_of_the_others(fetched, origin):
    origin.gate.clear()
    first, second = asyncio.create_task(fetched.get()), asyncio.create_task(fetched.get())
    await settle()
    first.cancel()
    await settle()
    origin.gate.set()
    assert await second == "one"
    assert (first.cancelled(), origin.calls) == (True, 1)


async def test_the_call_goes_on_when_every_caller_is_gone(fetched, origin):
    origin.gate.clear()
    caller = asyncio.create_task(fetched.get())
    await settle()
    caller.cancel()
    origin.gate.set()
    await settle()
    assert (fetched.peek(), origin.calls) == ("one", 1)


async def test_a_value_is_renewed_before_its_time_and_nobody_waits(fetched, origin, clock):
    await fetched.get()
    origin.value = "two"
    clock.advance(539)
    assert (await fetched.get(), origin.calls) == ("one", 1)
    clock.advance(1)
    assert await fetched.get() == "one"
    await settle()
    assert (fetched.peek(), fetched.generation, origin.calls) == ("two", 2, 2)


async def test_an_equal_value_is_no_new_generation_and_keeps_the_old_object(fetched, origin, clock):
    origin.value = old = ["one"]
    await fetched.get()
    origin.value = ["one"]
    clock.advance(600)
    assert await fetched.get() is old
    assert (fetched.generation, origin.calls) == (1, 2)


async def test_a_value_past_its_time_is_waited_for_as_long_as_nothing_is_known_against_the_source(
    fetched, origin, clock
):
    await fetched.get()
    origin.value = "two"
    clock.advance(600)
    assert fetched.peek() is None
    assert (await fetched.get(), origin.calls) == ("two", 2)


async def test_a_value_is_as_old_as_the_question_not_the_answer(fetched, origin, clock):
    origin.gate.clear()
    caller = asyncio.create_task(fetched.get())
    await settle()
    clock.advance(5)
    origin.gate.set()
    await caller
    assert fetched.age_s == 5


@pytest.mark.parametrize(("after_s", "renewed"), [(9, False), (10, True), (11, True)])
async def test_a_forced_refresh_honours_the_cool_down(fetched, origin, clock, after_s, renewed):
    await fetched.get()
    clock.advance(after_s)
    assert await fetched.refresh() is renewed
    assert origin.calls == 1 + renewed


async def test_the_cool_down_starts_when_the_call_ends(fetched, origin, clock):
    origin.gate.clear()
    origin.fail()
    caller = asyncio.create_task(fetched.refresh())
    await settle()
    clock.advance(30)
    origin.gate.set()
    assert await caller is False
    assert await fetched.refresh() is False
    assert origin.calls == 1


async def test_a_forced_refresh_shares_the_call_under_way(fetched, origin, clock):
    await fetched.get()
    clock.advance(540)
    origin.gate.clear()
    fetched.peek()
    callers = [asyncio.create_task(fetched.refresh()) for _ in range(10)]
    await settle()
    origin.gate.set()
    assert await asyncio.gather(*callers) == [True] * 10
    assert origin.calls == 2


async def test_closing_ends_the_call_and_tells_those_who_wait(origin, clock):
    fetched = Fetched(origin, clock)
    origin.gate.clear()
    caller = asyncio.create_task(fetched.get())
    await settle()
    await fetched.close()
    with pytest.raises(Unavailable, match="not asked"):
        await caller
    with pytest.raises(Unavailable):
        await fetched.get()
    assert origin.calls == 1


async def test_what_is_held_serves_on_after_closing_but_is_not_renewed(fetched, origin, clock):
    await fetched.get()
    await fetched.close()
    clock.advance(599)
    assert fetched.peek() == "one"
    clock.advance(1)
    assert (fetched.peek(), origin.calls) == (None, 1)


async def test_closing_before_the_first_call_is_no_fault(origin, clock):
    await Fetched(origin, clock).close()
    assert origin.calls == 0


async def test_before_the_first_answer_the_age_is_infinite(fetched):
    assert (fetched.age_s, fetched.failing, fetched.error) == (float("inf"), False, "not asked yet")


async def test_a_bug_in_fetching_is_a_failure_like_others_and_the_old_value_serves_on(fetched, origin, clock):
    assert await fetched.get() == "one"
    origin.error = KeyError("bug")
    clock.advance(fetched._settings.ttl_s + 1)
    assert await fetched.get() == "one"
    assert fetched.error == "the answer could not be used: KeyError"
