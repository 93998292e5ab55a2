"""Traffic that does not wait for answers: so many requests a second of each kind in turn, and the outcome.

It is a program of its own, for what answers it is busy enough.
"""

import asyncio
import itertools
import json
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

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
    """While it is entered. What it yields is filled when it ends."""
    seen = Seen()
    program = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "tests.migrate.traffic"],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert program.stdin
    program.stdin.write(json.dumps([per_second, [asdict(call) for call in calls]]).encode() + b"\n")
    try:
        yield seen
    finally:
        program.stdin.close()  # which ends it
        told, _ = await program.communicate()
    for place, answer, count in json.loads(told):
        seen.counts[calls[place], answer] = count


async def _flow(
    calls: Sequence[Call], per_second: float, stop: asyncio.Event
) -> Counter[tuple[int, int | str]]:
    counts: Counter[tuple[int, int | str]] = Counter()
    slots = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=30)
    turns, loop = itertools.cycle(enumerate(calls)), asyncio.get_running_loop()
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:

        async def ask(place: int, call: Call) -> None:
            try:
                async with session.request(call.method, call.url, headers=call.headers) as answer:
                    await answer.read()
                    counts[place, answer.status] += 1
            except (aiohttp.ClientError, TimeoutError) as error:
                counts[place, type(error).__name__] += 1
            finally:
                slots.release()

        began, sent = loop.time(), 0
        async with asyncio.TaskGroup() as under_way:
            while not stop.is_set():
                while sent < (loop.time() - began) * per_second:
                    await slots.acquire()
                    under_way.create_task(ask(*next(turns)))
                    sent += 1
                await asyncio.sleep(TICK_S)
    return counts


async def _main() -> None:
    loop, stop, stdin = asyncio.get_running_loop(), asyncio.Event(), asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stdin), sys.stdin)
    per_second, calls = json.loads(await stdin.readline())
    ended = loop.create_task(stdin.read())
    ended.add_done_callback(lambda _: stop.set())
    counts = await _flow([Call(**call) for call in calls], per_second, stop)
    sys.stdout.write(json.dumps([[place, answer, count] for (place, answer), count in counts.items()]))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the test, which ends it
    asyncio.run(_main())
