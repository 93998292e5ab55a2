"""Traffic that does not wait for answers: so many requests a second of each kind in turn, and the outcome."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

AT_ONCE = 64  # under way: where the machine carries less than is asked for, so many wait and no more
TIMEOUT_S = 20.0
TICK_S = 0.02


@dataclass(frozen=True)
class Call:
    """One kind of request. `passes` is what both worlds say of it."""

    name: str
    passes: bool
    url: str
    host: str
    method: str = "GET"
    token: str = field(default="", repr=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"host": self.host} | ({"authorization": f"Bearer {self.token}"} if self.token else {})


class Seen:
    """Counted by kind and answer: a status, or the name of an error."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[Call, int | str]] = Counter()
        self.bodies: Counter[str] = Counter()

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def failed(self) -> dict[str, int]:
        """Refused, or not answered, though they pass in both worlds; and what was not refused properly."""
        return {
            f"{call.name}: {answer}": count
            for (call, answer), count in self.counts.items()
            if (call.passes and answer != 200) or (not call.passes and answer not in (200, 401, 403, 404))
        }

    @property
    def wrongly_allowed(self) -> dict[str, int]:
        return {
            call.name: count
            for (call, answer), count in self.counts.items()
            if not call.passes and answer == 200
        }


@asynccontextmanager
async def flowing(calls: Sequence[Call], per_second: float) -> AsyncIterator[Seen]:
    """While it is entered."""
    seen, slots = Seen(), asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def ask(call: Call) -> None:
            try:
                async with session.request(call.method, call.url, headers=call.headers) as answer:
                    body = await answer.read()
                    seen.counts[call, answer.status] += 1
                    if answer.status > 499:
                        seen.bodies[f"{time.monotonic():.1f} {call.name} {body[:100]!r}"] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                seen.counts[call, type(error).__name__] += 1
            finally:
                slots.release()

        async def send() -> None:
            turns, loop = itertools.cycle(calls), asyncio.get_running_loop()
            began, sent = loop.time(), 0
            async with asyncio.TaskGroup() as under_way:
                while not stop.is_set():
                    while sent < (loop.time() - began) * per_second:
                        await slots.acquire()
                        under_way.create_task(ask(next(turns)))
                        sent += 1
                    await asyncio.sleep(TICK_S)

        stop = asyncio.Event()
        sending = asyncio.create_task(send())
        try:
            yield seen
        finally:
            stop.set()
            await sending
