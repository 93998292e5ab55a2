"""Keys that have to be looked at: each once, however often it is added, and by one worker at a time.

What failed comes back later and later; what else has to be done is not held up by it.
"""

import asyncio
import random
from collections.abc import Callable

BACKOFF_MIN_S = 0.1
BACKOFF_MAX_S = 300.0  # after some fifteen failures: whatever is wrong, somebody has to mend it


class Queue:
    """`clock` is the event loop's, in seconds."""

    def __init__(self, clock: Callable[[], float], jitter: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._jitter = jitter
        self._waiting: dict[str, float] = {}  # since when; in order
        self._at_work: set[str] = set()
        self._again: set[str] = set()
        self._failures: dict[str, int] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._ready = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._again)

    @property
    def failing(self) -> int:
        """Keys that wait for another attempt."""
        return len(self._failures)

    def is_failing(self, key: str) -> bool:
        """True if its last attempt has failed."""
        return key in self._failures

    @property
    def idle(self) -> bool:
        """True if there is nothing to do now."""
        return not self._waiting and not self._at_work

    def add(self, key: str) -> None:
        """As soon as may be. While it is being worked on, once more after that."""
        if key in self._at_work:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._clock()
            self._ready.set()

    def add_later(self, key: str, after_s: float) -> None:
        """Unless it is to come earlier."""
        due_s = asyncio.get_running_loop().time() + after_s
        planned = self._later.get(key)
        if planned and planned.when() <= due_s:
            return
        if planned:
            planned.cancel()
        self._later[key] = asyncio.get_running_loop().call_later(after_s, self._due, key)

    async def take(self) -> tuple[str, float]:
        """The next key, and for how many seconds it has waited. `done` has to follow."""
        while not self._waiting:
            self._ready.clear()
            await self._ready.wait()
        key = next(iter(self._waiting))
        since_s = self._waiting.pop(key)
        self._at_work.add(key)
        return key, self._clock() - since_s

    def done(self, key: str) -> None:
        """Nobody works on it any more."""
        self._at_work.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def forget(self, key: str) -> None:
        """It went well: the next failure is its first."""
        self._failures.pop(key, None)

    def retry(self, key: str, longest_s: float = BACKOFF_MAX_S) -> float:
        """Later by a time that doubles with each failure in a row; between half of that and all of it."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest_s = min(longest_s, BACKOFF_MIN_S * 2.0 ** min(failures, 30))
        after_s = longest_s * (0.5 + self._jitter() / 2)
        self.add_later(key, after_s)
        return after_s

    def clear(self) -> None:
        """Another one leads now."""
        for handle in self._later.values():
            handle.cancel()
        for known in (self._waiting, self._again, self._failures, self._later):
            known.clear()

    def _due(self, key: str) -> None:
        self._later.pop(key, None)
        self.add(key)
