"""Several workers and the one who watches over them."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from authz.core.decision import Deny
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server.telemetry import Telemetry
from authz.server.workers import Workers, merge
from tests.servers import PATIENCE_S

# A worker in miniature: it serves an admin page on its socket until SIGTERM, and notes that it began.
WORKER = """
import http.server, os, signal, socketserver, sys
path, log = sys.argv[1:]
with open(log, "a") as notes:
    notes.write("began\\n")
if "broken" in log:
    sys.exit(1)
class Page(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "worker"
    def log_message(self, *_):
        pass
    def do_GET(self):
        body = b"# TYPE a counter\\na_total 2.0\\n# TYPE b gauge\\nb %d\\n" % os.getpid()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
import contextlib
with contextlib.suppress(FileNotFoundError):
    os.unlink(path)
socketserver.UnixStreamServer(path, Page).serve_forever()
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@contextlib.asynccontextmanager
async def running(log: Path, count: int = 2) -> AsyncIterator[Workers]:
    workers = Workers(count, lambda socket: (sys.executable, "-c", WORKER, str(socket), str(log)))
    stop = asyncio.Event()
    task = asyncio.create_task(workers.run(stop))
    yield workers
    stop.set()
    await asyncio.wait_for(task, PATIENCE_S)


def begun(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


async def eventually(holds):
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110  # it happens in another process
            await asyncio.sleep(0.02)


async def test_all_are_started_watched_and_stopped(log):
    async with running(log) as workers:
        assert not await workers.ready()
        await eventually(workers.ready)
        await eventually(lambda: adds_up(workers, b"a_total 4.0"))
        assert begun(log) == 2
    assert not await workers.ready()


async def adds_up(workers: Workers, expected: bytes) -> bool:
    return expected in await workers.metrics()


async def test_what_was_counted_by_one_that_has_ended_goes_on_counting(log):
    """A sum that falls and rises again would look to Prometheus like a burst of requests."""

    def pid(page: bytes) -> int:
        return int(float(page.rpartition(b"\nb ")[2]))

    async with running(log, 1) as workers:
        await eventually(lambda: adds_up(workers, b"a_total 2.0"))
        before = pid(await workers.metrics())
        os.kill(before, signal.SIGKILL)
        await eventually(lambda: adds_up(workers, b"a_total 4.0"))
        page = await workers.metrics()
        assert pid(page) != before, "a gauge is that of who lives"
        assert b"authz_worker_restarts_total 1.0" in page


async def test_one_that_ends_is_started_again_after_a_pause(tmp_path):
    log = tmp_path / "broken"

    async def again() -> bool:
        return begun(log) == 2

    began = asyncio.get_running_loop().time()
    async with running(log, 1) as workers:
        await eventually(again)
        assert asyncio.get_running_loop().time() - began >= 0.5
        assert not await workers.ready()


def page(count: int, seconds: float, rules: int) -> str:
    telemetry = Telemetry()
    telemetry.under_way(lambda: count)
    telemetry.connections(lambda: count)
    for _ in range(count):
        telemetry.record(Request("GET", "h", "/"), Deny(Reason.TOKEN_MISSING), seconds)
    telemetry.rules(["apps/shop/0"] * rules)
    return telemetry.page().decode()


def test_counts_are_added_and_gauges_are_not():
    merged = merge([page(2, 0.0002, 7), page(3, 0.002, 7)]).decode()
    assert 'authz_checks_total{reason="TOKEN_MISSING",rule=""} 5.0' in merged
    assert 'authz_check_seconds_bucket{le="0.00025"} 2.0' in merged
    assert 'authz_check_seconds_bucket{le="+Inf"} 5.0' in merged
    assert "authz_check_seconds_count 5.0" in merged
    assert "authz_policy_rules 7.0" in merged


def test_gauges_of_which_each_worker_has_a_part_are_added():
    merged = merge([page(2, 0.0002, 7), page(3, 0.002, 7)]).decode()
    assert "authz_checks_in_flight 5.0" in merged
    assert "authz_h2_connections 5.0" in merged


@pytest.mark.parametrize("name", ["authz_source_left_seconds", "authz_certificate_left_seconds"])
def test_of_times_that_are_left_the_shortest_is_told(name):
    pages = [f"# TYPE {name} gauge\n{name} {left}\n" for left in (90.0, 7.0, 80.0)]
    assert f"\n{name} 7.0\n" in merge(pages).decode()


def test_no_pages_are_an_empty_page():
    assert merge([]) == b""
