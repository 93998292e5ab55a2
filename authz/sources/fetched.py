"""A value that someone else owns, fetched and kept for a while.

It may grow old while its source fails, but it is fetched by one caller at a time and never in a hurry.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Generic, TypeVar

from authz.core.reason import Unavailable

T = TypeVar("T")

Clock = Callable[[], float]  # monotonic seconds


REFRESH_BEFORE_S = 60.0  # a slow provider has time for several tries
_BUG = "the answer could not be used"  # our fault, and no reason to forget what is held


@dataclass(frozen=True, slots=True)
class Refresh:
    """How old a value may be and how often its source is asked; all in seconds."""

    ttl_s: float = 600.0  # a key taken out of a set is trusted no longer than this
    refresh_before_s: float = REFRESH_BEFORE_S  # before the end: a new value is fetched, and nobody waits
    cooldown_s: float = 10.0  # between any two calls, whoever wants them
    stale_s: float = 86_400.0  # beyond its time, while the source fails: a day to mend an identity provider
    retry_s: float = 10.0  # after a failure, doubled by each further one up to `refresh_before_s`


REFRESH = Refresh()


class Fetched(Generic[T]):
    """The latest value of `fetch`, which may raise Unavailable. Belongs to one event loop.

    `error` says why the last call failed, and is empty if it did not. `generation` grows when a value
    differs from the one before it; an equal value keeps the old object.
    """

    def __init__(self, fetch: Callable[[], Awaitable[T]], clock: Clock, settings: Refresh = REFRESH) -> None:
        self.error = "not asked yet"
        self.generation = 0
        self.counts = Counter({"answered": 0, "failed": 0})
        self._fetch = fetch
        self._clock = clock
        self._settings = settings
        self._value: T | None = None
        self._fetched_at = self._asked_at = self._due_at = -inf
        self._retry_s = settings.retry_s
        self._task: asyncio.Task[bool] | None = None
        self._closed = False

    @property
    def age_s(self) -> float:
        """Seconds since the last good answer was asked for; infinite if there was none."""
        return self._clock() - self._fetched_at

    @property
    def left_s(self) -> float:
        """Seconds for which the value serves on if its source stays away; 0 if there is none."""
        return max(0.0, self._settings.ttl_s + self._settings.stale_s - self.age_s)

    @property
    def failing(self) -> bool:
        """The last call failed, and not so long ago that nothing follows from it."""
        return bool(self.error) and self._clock() - self._asked_at < self._settings.ttl_s

    def peek(self) -> T | None:
        """The value if it is usable now. Never waits; starts a call in the background when one is due."""
        if self._clock() >= self._due_at:
            self._call()
        return self._usable()

    async def get(self) -> T:
        """The value, waiting for the source only if there is none to use. Raises Unavailable."""
        value = self.peek()
        if value is None:
            await self.refresh()
            value = self._usable()
        if value is None:
            raise Unavailable(self.error)
        return value

    async def refresh(self) -> bool:
        """Ask now, or share the call under way. False if that fails or the last call was just now."""
        task = self._call()
        if task is None:
            return False
        await asyncio.wait([task])  # unlike awaiting the task, being cancelled here does not cancel it
        if task.cancelled():
            return False
        if bug := task.exception():
            self.error = f"{self.error}: {type(bug).__name__}"
            return False
        return task.result()

    def cancel(self) -> None:
        """Ask no more. Those who wait get what is left: the old value or Unavailable."""
        self._closed = True
        if self._task:
            self._task.cancel()

    async def close(self) -> None:
        """Cancel, and see the call under way end."""
        self.cancel()
        if self._task:
            await asyncio.wait([self._task])

    def _usable(self) -> T | None:
        age_s = self.age_s
        fresh = age_s < self._settings.ttl_s
        stale = age_s < self._settings.ttl_s + self._settings.stale_s and self.failing
        return self._value if fresh or stale else None

    def _call(self) -> asyncio.Task[bool] | None:
        """The call under way, or a new one unless the last was within the cool-down."""
        if self._task and not self._task.done():
            return self._task
        if self._closed or self._clock() - self._asked_at < self._settings.cooldown_s:
            return None
        self._task = asyncio.create_task(self._ask())
        return self._task

    async def _ask(self) -> bool:
        began = self._clock()
        fault = _BUG
        try:
            self._keep(await self._fetch(), began)
            fault = ""
            self.counts["answered"] += 1
        except Unavailable as error:
            fault = str(error)
        except asyncio.CancelledError:
            fault = ""
            raise
        finally:
            self._asked_at = self._clock()
            if fault:
                self._fail(fault)
        return not fault

    def _keep(self, value: T, began: float) -> None:
        if value != self._value:
            self._value = value
            self.generation += 1
        self._fetched_at = began
        self._due_at = began + self._settings.ttl_s - self._settings.refresh_before_s
        self._retry_s = self._settings.retry_s
        self.error = ""

    def _fail(self, error: str) -> None:
        self.counts["failed"] += 1
        self.error = error
        self._due_at = self._clock() + self._retry_s
        self._retry_s = min(2 * self._retry_s, self._settings.refresh_before_s)
