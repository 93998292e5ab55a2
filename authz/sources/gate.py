"""The way to one endpoint: so many calls at once, and none while it is known to fail.

Each endpoint has its own, with its own connections, so that one tenant's slow provider stalls no other.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from math import inf

from authz.core.reason import Unavailable
from authz.sources import address
from authz.sources.answers import WAIT_S
from authz.sources.breaker import CLOSED
from authz.sources.fetched import Clock
from authz.sources.http import NO_HEADERS, Answer, Client

WAITING_PER_CALL_MAX = 16  # who wait for a call's place: 500 by default, some 10 kB each
PATIENCE_S = WAIT_S / 2  # who would wait longer for a place would be gone when the answer comes
_SMOOTHING = 8  # calls: one that is slow shuts nobody out

# What becomes of a call: the labels of a metric.
OUTCOMES = ("answered", "failed", "shut", "crowded")


class Gate:
    """`client` is its own. Belongs to one event loop. `counts` has what became of each call."""

    def __init__(self, client: Client, clock: Clock, calls: int) -> None:
        self.breaker = CLOSED
        self.counts = Counter(dict.fromkeys(OUTCOMES, 0))
        self.error = "not asked yet"
        self._answered_at = -inf
        self.client = client
        self._clock = clock
        self._places = asyncio.Semaphore(calls)
        self._calls = calls
        self._took_s = 0.0  # a call of late
        self._next_at = -inf  # when another may begin
        self._waiting = 0
        self._waiting_max = calls * WAITING_PER_CALL_MAX

    @property
    def age_s(self) -> float:
        """Since the last answer; infinite before the first."""
        return self._clock() - self._answered_at

    def check(self, under_way: int = 0) -> None:
        """Raises Unavailable where a call would be turned away now: cheaper than to begin one.

        `under_way` are all who have been let in: some may not have come to wait here yet.
        """
        self._check_open()
        waiting = max(self._waiting, under_way - self._calls)
        if waiting >= self._waiting_max or waiting * self._took_s / self._calls > PATIENCE_S:
            raise self._turned_away("crowded", "too many calls wait")

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] = NO_HEADERS,
        body: bytes = b"",
        *,
        max_bytes: int,
    ) -> Answer:
        """The endpoint's answer unless it is at fault: 5xx, 429, or none in time. Raises Unavailable."""
        await self._place()
        try:
            await self._stagger()
            self._check_open()
            return await self._call(method, url, headers, body, max_bytes)
        finally:
            self._places.release()

    def _check_open(self) -> None:
        if not self.breaker.admits(self._clock()):
            raise self._turned_away("shut", f"not asked, for it failed: {self.error}")

    async def _place(self) -> None:
        self.check()
        self._waiting += 1
        try:
            async with asyncio.timeout(self.client.timeout_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise self._turned_away("crowded", "no call could be made in time") from error
        finally:
            self._waiting -= 1

    async def _stagger(self) -> None:
        """In a crowd: calls that begin together end together, and everybody else waits for all their answers.

        Twice as fast as places come free, so that it spreads the calls and never makes them fewer.
        """
        now = self._clock()
        begins = min(max(now, self._next_at), now + self._took_s / 2)
        self._next_at = begins + self._took_s / self._calls / 2
        if self._waiting and begins > now:
            await asyncio.sleep(begins - now)

    def _turned_away(self, outcome: str, text: str) -> Unavailable:
        self.counts[outcome] += 1
        return Unavailable(text)

    async def _call(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes, max_bytes: int
    ) -> Answer:
        began = self._clock()
        self.breaker = self.breaker.asked(began)
        try:
            answer = await self.client.ask(method, url, headers, body, max_bytes)
            _check_status(method, url, answer)
        except Unavailable as error:
            self.breaker = self.breaker.failed(self._clock())
            self.error = str(error)
            self.counts["failed"] += 1
            raise
        finally:
            self._took_s += (self._clock() - began - self._took_s) / _SMOOTHING
        self.breaker, self.error, self._answered_at = CLOSED, "", self._clock()
        self.counts["answered"] += 1
        return answer


def _check_status(method: str, url: str, answer: Answer) -> None:
    """RFC 6585 4: 429 asks for fewer calls, whatever they are about."""
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable(f"{method} {address.parse(url).shown}: status {answer.status}")
