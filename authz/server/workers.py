"""Several authorizers on one port, and the process that watches over them.

The kernel spreads connections among the workers (SO_REUSEPORT). One that ends is started again, at
growing intervals; the calls it had are errors to Envoy, which refuses them.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import httpx
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

PAUSE_MIN_S = 0.5  # before a worker is started again: long enough to read the log
PAUSE_MAX_S = 30.0  # a mistake that is mended should not cost a minute more
STEADY_S = 60.0  # a worker that lived so long starts from the shortest pause again
ASK_S = 2.0  # a worker answers its admin page in milliseconds, or is in trouble

_log = structlog.get_logger()

_RESTARTS = """# HELP authz_worker_restarts_total Workers that ended and were started again.
# TYPE authz_worker_restarts_total counter
authz_worker_restarts_total {}
"""
_ENDING = ("authz_source_left_seconds", "authz_certificate_left_seconds")  # whose first end is what counts
_SHARED = ("authz_checks_in_flight", "authz_h2_connections")  # gauges of which each worker has a part

Command = Callable[[Path], Sequence[str]]


class Workers:
    """`count` processes, each made by `command` from the path of its admin socket."""

    def __init__(self, count: int, command: Command) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="authz-")
        self.sockets = [Path(self._folder.name) / f"worker-{number}.sock" for number in range(count)]
        self._command = command
        self._pages: dict[Path, str] = {}  # what each said last
        self._restarts = 0
        self._ended = ""  # the counts of those that are no more: a sum that falls looks like a burst later

    async def run(self, stop: asyncio.Event) -> None:
        """Keep all of them alive until `stop` is set, then let them drain."""
        try:
            await asyncio.gather(*(self._keep(path, stop) for path in self.sockets))
        finally:
            self._folder.cleanup()

    async def ready(self) -> bool:
        """True while at least one would answer a check."""
        answers = await asyncio.gather(*(_get(path, "/readyz") for path in self.sockets))
        return any(answer is not None and answer.status_code == 200 for answer in answers)

    async def metrics(self) -> bytes:
        """One page for all: counts are added, of most gauges the largest is shown, of times left the least.

        Who is too busy to answer, or has ended, counts with what it said last.
        """
        await asyncio.gather(*map(self._read, self.sockets))
        return merge([_RESTARTS.format(self._restarts), *self._pages.values(), self._ended])

    async def _read(self, path: Path) -> None:
        answer = await _get(path, "/metrics")
        if answer is not None and answer.status_code == 200:
            self._pages[path] = answer.text

    async def _keep(self, path: Path, stop: asyncio.Event) -> None:
        pause_s = PAUSE_MIN_S
        while not stop.is_set():
            lived_s = await self._live(path, stop)
            if stop.is_set():
                return
            pause_s = PAUSE_MIN_S if lived_s > STEADY_S else pause_s
            _log.error("a worker has ended and is started again", worker=path.stem, pause_s=pause_s)
            await _wait(stop, pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)
            self._restarts += 1

    async def _live(self, path: Path, stop: asyncio.Event) -> float:
        """From start to end, by itself or because of `stop`; seconds."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        # The pipe is never written to: it breaks when this process dies, and the worker ends with it.
        process = await asyncio.create_subprocess_exec(*self._command(path), stdin=asyncio.subprocess.PIPE)
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await ended
        self._ended = merge([self._ended, self._pages.pop(path, "")], gauges=False).decode()
        return loop.time() - began


def command(config: Path) -> Command:
    """The same program again, as a worker."""
    return lambda socket: (
        sys.executable,
        "-m",
        "authz",
        "serve",
        "--config",
        str(config),
        "--worker",
        str(socket),
    )


def merge(pages: Iterable[str], *, gauges: bool = True) -> bytes:
    """Several pages in Prometheus' text format as one, perhaps without what is true only while it lasts."""
    registry = CollectorRegistry()
    registry.register(_Merged(pages, gauges=gauges))
    return generate_latest(registry)


class _Merged(Collector):
    def __init__(self, pages: Iterable[str], *, gauges: bool) -> None:
        self._families: dict[str, Metric] = {}
        self._values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
        for page in pages:
            for family in text_string_to_metric_families(page):
                if gauges or family.type != "gauge":
                    self._add(family)

    def collect(self) -> Iterable[Metric]:
        for name, family in self._families.items():
            merged = Metric(name, family.documentation, family.type)
            for (sample, labels), value in self._values[name].items():
                merged.add_sample(sample, dict(labels), value)
            yield merged

    def _add(self, family: Metric) -> None:
        self._families.setdefault(family.name, family)
        values = self._values.setdefault(family.name, {})
        combine = _combine(family)
        for sample in family.samples:
            key = (sample.name, tuple(sorted(sample.labels.items())))
            values[key] = combine((values[key], sample.value)) if key in values else sample.value


def _combine(family: Metric) -> Callable[[tuple[float, float]], float]:
    if family.type != "gauge" or family.name in _SHARED:
        return sum
    return min if family.name in _ENDING else max


async def _get(path: Path, page: str) -> httpx.Response | None:
    """None if the worker is not there, or too busy to say."""
    transport = httpx.AsyncHTTPTransport(uds=str(path))
    try:
        async with httpx.AsyncClient(transport=transport, timeout=ASK_S) as client:
            return await client.get(f"http://worker{page}")
    except httpx.TransportError:
        return None


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
