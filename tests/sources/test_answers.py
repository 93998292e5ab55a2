"""Answers that are shared and kept: who asks, for how long they serve, and what drives out what."""

import asyncio
import gc

import pytest

from authz.core.reason import Unavailable
from authz.sources.answers import BAD_MAX, Answered, Answers
from tests.sources.fakes import settle


class Asking:
    """A question that counts how often it is put."""

    def __init__(self, value="yes", keep_s=10.0, *, is_good=True, weight=1, error=None):
        self.answered = Answered(value, keep_s, is_good, weight)
        self.error = error
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self):
        self.calls += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        return self.answered


@pytest.fixture
def answers(clock):
    return Answers(clock, 1_000)


async def test_a_thousand_equal_questions_are_one_call(clock):
    answers = Answers[str](clock, 1_000, wait_s=60.0)  # a busy machine is no failure
    asking = Asking()
    asking.gate.clear()
    callers = [asyncio.create_task(answers.get(b"k", asking)) for _ in range(1_000)]
    await settle()
    asking.gate.set()
    assert set(await asyncio.gather(*callers)) == {"yes"}
    assert asking.calls == 1


async def test_who_is_not_admitted_begins_no_call_but_may_share_one(clock):
    told: list[int] = []

    def admit(under_way):
        told.append(under_way)
        if under_way:
            raise Unavailable("crowded")

    answers: Answers[str] = Answers(clock, 1_000, admit=admit)
    asking = Asking()
    asking.gate.clear()
    first = asyncio.create_task(answers.get(b"k", asking))
    await settle()
    second = asyncio.create_task(answers.get(b"k", asking))
    with pytest.raises(Unavailable, match="crowded"):
        await answers.get(b"other", asking)
    asking.gate.set()
    assert [*await asyncio.gather(first, second)] == ["yes", "yes"]
    assert (asking.calls, told) == (1, [0, 1])


async def test_a_call_that_fails_leaves_no_garbage_for_the_collector(answers):
    """In a flood it would be collected all at once, and everybody would wait for that."""

    async def failing():
        raise Unavailable("down")

    gc.collect()
    gc.disable()
    try:
        for number in range(100):
            with pytest.raises(Unavailable):
                await answers.get(str(number).encode(), failing)
        await settle()
        left = [found for found in gc.get_objects() if isinstance(found, Unavailable)]
        assert len(left) <= 1
    finally:
        gc.enable()


@pytest.mark.parametrize("is_good", [True, False])
async def test_an_answer_serves_for_its_time_and_then_no_more(answers, clock, is_good):
    await answers.get(b"k", Asking(is_good=is_good))
    clock.advance(9.9)
    assert (answers.held(b"k"), answers.held(b"other")) == ("yes", None)
    clock.advance(0.1)
    assert answers.held(b"k") is None


async def test_an_answer_is_as_old_as_its_question(answers, clock):
    asking = Asking()
    asking.gate.clear()
    caller = asyncio.create_task(answers.get(b"k", asking))
    await settle()
    clock.advance(6)
    asking.gate.set()
    await caller
    clock.advance(4)
    assert answers.held(b"k") is None


async def test_what_has_no_time_left_is_not_kept(answers):
    assert await answers.get(b"k", Asking(keep_s=-1)) == "yes"
    assert answers.held(b"k") is None


async def test_a_refusal_that_follows_a_good_answer_is_found(answers, clock):
    await answers.get(b"k", Asking("yes"))
    clock.advance(10)
    await answers.get(b"k", Asking("no", is_good=False))
    assert answers.held(b"k") == "no"


async def test_a_failure_is_told_to_all_and_not_kept(answers):
    asking = Asking(error=Unavailable("down"))
    told = await asyncio.gather(*(answers.get(b"k", asking) for _ in range(10)), return_exceptions=True)
    assert [str(one) for one in told] == ["down"] * 10
    assert (answers.held(b"k"), asking.calls) == (None, 1)
    assert await answers.get(b"k", Asking("again")) == "again"


async def test_a_caller_that_goes_does_not_end_the_call_of_the_others(answers):
    asking = Asking()
    asking.gate.clear()
    first, second = (asyncio.create_task(answers.get(b"k", asking)) for _ in range(2))
    await settle()
    first.cancel()
    asking.gate.set()
    assert await second == "yes"
    assert asking.calls == 1


async def test_a_failure_that_nobody_waits_for_is_no_noise(answers):
    asking = Asking(error=Unavailable("down"))
    asking.gate.clear()
    caller = asyncio.create_task(answers.get(b"k", asking))
    await settle()
    caller.cancel()
    asking.gate.set()
    await settle()
    assert answers.held(b"k") is None


async def test_a_flood_of_bad_answers_drives_out_no_good_one_and_ends_at_a_bound(answers):
    await answers.get(b"good", Asking())
    bad = Asking("no", is_good=False)
    for number in range(BAD_MAX + 100):
        await answers.get(b"%d" % number, bad)
    assert answers.held(b"good") == "yes"
    assert len(answers._bad) <= BAD_MAX
    assert not answers._calls


async def test_closed_it_asks_no_more_and_tells_those_who_wait(answers):
    asking = Asking()
    asking.gate.clear()
    caller = asyncio.create_task(answers.get(b"k", asking))
    await settle()
    answers.cancel()
    for waiting in (caller, answers.get(b"k", asking)):
        with pytest.raises(Unavailable, match="no more"):
            await waiting


async def test_nobody_waits_long_and_the_answer_is_there_for_who_asks_again(clock):
    answers = Answers[str](clock, 1_000, wait_s=0.01)
    asking = Asking()
    asking.gate.clear()
    for _ in range(2):
        with pytest.raises(Unavailable, match="no answer in time"):
            await answers.get(b"k", asking)
    asking.gate.set()
    await settle()
    assert (answers.held(b"k"), asking.calls) == ("yes", 1)
