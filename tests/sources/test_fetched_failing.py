"""A fetched value whose source fails: what serves, who is told, and how often the source is asked."""

import asyncio

import pytest

from authz.core.reason import Unavailable
from tests.sources.fakes import settle


async def test_a_thousand_callers_share_one_failure(fetched, origin):
    origin.fail()
    answers = await asyncio.gather(*(fetched.get() for _ in range(1_000)), return_exceptions=True)
    assert {str(answer) for answer in answers} == {"down"}
    assert origin.calls == 1


async def test_the_old_value_serves_while_the_source_fails_and_then_no_more(fetched, origin, clock):
    await fetched.get()
    origin.fail()
    for _ in range(4_140 // 60):
        clock.advance(60)
        assert await fetched.get() == "one"
        await settle()
    assert fetched.failing
    clock.advance(60)
    with pytest.raises(Unavailable, match="down"):
        await fetched.get()


async def test_nobody_waits_for_a_source_that_is_known_to_fail(fetched, origin, clock):
    await fetched.get()
    origin.fail()
    clock.advance(590)
    fetched.peek()
    await settle()
    origin.gate.clear()
    clock.advance(70)
    assert fetched.peek() == "one"
    assert await fetched.get() == "one"
    await settle()
    assert origin.calls == 3


async def test_an_old_failure_is_no_reason_to_serve_an_old_value(fetched, origin, clock):
    await fetched.get()
    origin.fail()
    clock.advance(590)
    fetched.peek()
    await settle()
    origin.error, origin.value = None, "two"
    clock.advance(1_000)
    assert fetched.peek() is None
    assert await fetched.get() == "two"


async def test_a_failing_source_is_asked_ever_less_often(fetched, origin, clock):
    await fetched.get()
    origin.fail()
    clock.advance(540)
    asked = []
    for second in range(300):
        before = origin.calls
        fetched.peek()
        await settle()
        if origin.calls > before:
            asked.append(second)
        clock.advance(1)
    assert asked == [0, 10, 30, 70, 130, 190, 250]


async def test_a_source_that_recovers_is_trusted_anew(fetched, origin, clock):
    origin.fail()
    with pytest.raises(Unavailable):
        await fetched.get()
    origin.error = None
    clock.advance(10)
    assert (await fetched.get(), fetched.error, fetched.failing) == ("one", "", False)


async def test_with_nothing_held_a_failing_source_is_asked_once_a_cool_down(fetched, origin, clock):
    origin.fail()
    for _ in range(100):
        with pytest.raises(Unavailable, match="down"):
            await fetched.get()
        clock.advance(1)
    assert origin.calls == 10


async def test_a_forced_refresh_that_fails_leaves_the_value(fetched, origin, clock):
    await fetched.get()
    origin.fail()
    clock.advance(10)
    assert await fetched.refresh() is False
    assert fetched.peek() == "one"


async def test_a_fault_of_ours_is_told_and_not_repeated_at_once(fetched, origin, clock):
    origin.error = ZeroDivisionError()
    for _ in range(2):
        with pytest.raises(Unavailable, match="could not be used: ZeroDivisionError"):
            await fetched.get()
    clock.advance(10)
    origin.error = None
    assert (await fetched.get(), origin.calls) == ("one", 2)
