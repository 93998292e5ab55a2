"""Keys to look at: once each, one worker at a time, later and later while they fail."""

import asyncio

import pytest

from authz.controller.workqueue import BACKOFF_MAX_S, BACKOFF_MIN_S, Queue
from tests.servers import PATIENCE_S


@pytest.fixture
def queue():
    return Queue(lambda: 0.0, jitter=lambda: 1.0)


async def test_a_key_that_is_added_twice_is_taken_once(queue):
    for key in ("a", "b", "a"):
        queue.add(key)
    assert [(await queue.take())[0] for _ in range(2)] == ["a", "b"]
    assert len(queue) == 0


async def test_a_key_that_is_added_while_it_is_worked_on_comes_once_more_after_that(queue):
    queue.add("a")
    await queue.take()
    queue.add("a")
    queue.add("a")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.01)
    queue.done("a")
    assert (await queue.take())[0] == "a"
    queue.done("a")
    assert queue.idle


async def test_what_fails_comes_back_later_each_time_and_then_from_the_start(queue):
    waits = [queue.retry("a") for _ in range(3)]
    assert waits == [BACKOFF_MIN_S, 2 * BACKOFF_MIN_S, 4 * BACKOFF_MIN_S]
    assert queue.failing == 1
    queue.forget("a")
    assert queue.retry("a") == BACKOFF_MIN_S
    assert queue.failing == 1


async def test_it_never_waits_for_ever(queue):
    assert [queue.retry("a") for _ in range(100)][-1] == BACKOFF_MAX_S
    assert queue.retry("b", longest_s=0.01) == 0.01


async def test_of_two_times_the_earlier_counts(queue):
    queue.add_later("a", 60)
    queue.add_later("a", 0.001)
    queue.add_later("a", 60)
    assert (await asyncio.wait_for(queue.take(), PATIENCE_S))[0] == "a"


async def test_what_fails_does_not_hold_up_others(queue):
    queue.retry("bad")
    queue.add("good")
    assert (await queue.take())[0] == "good"


async def test_nothing_is_left_after_clear(queue):
    queue.add("a")
    queue.add_later("b", 0.001)
    queue.clear()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(queue.take(), 0.01)
    assert queue.idle


async def test_what_another_one_leads_by_now_is_neither_repeated_nor_counted(queue):
    queue.add("a")
    await queue.take()
    queue.add("a")
    queue.retry("b", longest_s=0.001)
    assert (len(queue), queue.failing, queue.is_failing("b"), queue.idle) == (1, 1, True, False)
    queue.clear()
    queue.done("a")
    assert (len(queue), queue.failing, queue.is_failing("b"), queue.idle) == (0, 0, False, True)
    queue.retry("b", longest_s=0.001)
    assert (await asyncio.wait_for(queue.take(), 1))[0] == "b"


async def test_a_failure_comes_again_by_itself(queue):
    queue.retry("a", longest_s=0.001)
    assert (await asyncio.wait_for(queue.take(), 1))[0] == "a"
    queue.done("a")
    queue.retry("a", longest_s=0.001)
    assert (await asyncio.wait_for(queue.take(), 1))[0] == "a"


async def test_it_tells_how_many_wait_and_how_long_they_have(queue):
    now_s = 10.0
    queue = Queue(lambda: now_s)
    for key in "abab":
        queue.add(key)
    now_s = 12.5
    queue.add("a")
    assert len(queue) == 2
    assert not queue.idle
    assert await queue.take() == ("a", 2.5)
    queue.add("a")
    assert len(queue) == 2
