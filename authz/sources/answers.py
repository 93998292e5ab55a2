"""Answers to questions that many callers ask: equal ones under way are one, and each is kept for a while.

Good answers and bad ones are kept apart, so that a flood of bad credentials drives out no good one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from authz.core.memo import Memo
from authz.core.reason import Unavailable
from authz.sources.fetched import Clock

T = TypeVar("T")

BAD_MAX = 20_000  # some 300 bytes each
WAIT_S = 1.5  # Envoy gives a Check 2 s (config/samples/cluster.yaml), and then tells the caller nothing
_CLOSED = "it is asked no more"


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """An answer, for how long it serves, and whether it is one that callers want. `weight` in bytes."""

    value: T = field(repr=False)
    keep_s: float
    is_good: bool
    weight: int


class Answers(Generic[T]):
    """Keeps good answers of `good_max_bytes` together. A failure is never kept.

    Nobody waits longer than `wait_s`; the call goes on, and its answer is there for who asks again.
    `admit` is told how many calls are under way, and raises Unavailable where no other can be made: a
    flood is to cost little more than that.
    """

    def __init__(
        self,
        clock: Clock,
        good_max_bytes: int,
        wait_s: float = WAIT_S,
        admit: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._wait_s = wait_s
        self._admit = admit
        self._clock = clock
        self._good = Memo[tuple[T, float]](good_max_bytes)
        self._bad = Memo[tuple[T, float]](BAD_MAX)
        self._calls: dict[bytes, asyncio.Task[T]] = {}
        self._closed = False

    def held(self, key: bytes) -> T | None:
        """The answer if it serves now. Never waits."""
        now = self._clock()
        for kept in (self._good, self._bad):
            found = kept.get(key)
            if found and now < found[1]:
                return found[0]
        return None

    async def get(self, key: bytes, ask: Callable[[], Awaitable[Answered[T]]]) -> T:
        """The answer to `ask`, or to the equal question under way. Raises what it raises, and Unavailable."""
        task = self._calls.get(key)
        if self._closed:
            raise Unavailable(_CLOSED)
        if task is None:
            self._admit(len(self._calls))
            task = self._calls[key] = asyncio.create_task(self._ask(key, ask))
            task.add_done_callback(lambda done: self._end(key, done))
        # Unlike awaiting the task, being cancelled here does not cancel it.
        if not (await asyncio.wait([task], timeout=self._wait_s))[0]:
            raise Unavailable("no answer in time")
        if task.cancelled():
            raise Unavailable(_CLOSED)
        try:
            return task.result()
        finally:
            del task  # or this frame holds the task, whose exception holds this frame: garbage in a flood

    def cancel(self) -> None:
        """Ask no more. Those who wait get Unavailable."""
        self._closed = True
        for task in self._calls.values():
            task.cancel()

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[Answered[T]]]) -> T:
        began = self._clock()
        answered = await ask()
        held = answered.value, began + answered.keep_s
        self._good.put(key, held, answered.weight) if answered.is_good else self._bad.put(key, held)
        return answered.value

    def _end(self, key: bytes, task: asyncio.Task[T]) -> None:
        del self._calls[key]
        if not task.cancelled():
            task.exception()  # seen, also if nobody waits any more
