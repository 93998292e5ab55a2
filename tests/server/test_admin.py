"""The admin port."""

import asyncio
import socket
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from starlette.applications import Starlette

from authz import __version__
from authz.core.decision import Deny
from authz.core.reason import Reason
from authz.core.request import Request
from authz.local.ports import LOOPBACK
from authz.server import admin
from authz.server.telemetry import Telemetry
from tests.servers import free_port


def pages(ready: bool, telemetry: Telemetry) -> Starlette:
    async def is_ready() -> bool:
        return ready

    async def metrics() -> bytes:
        return telemetry.page()

    return admin.app(is_ready, metrics)


def client(ready: bool = True, telemetry: Telemetry | None = None) -> httpx.AsyncClient:
    application = pages(ready, telemetry or Telemetry())
    return httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://admin")


@pytest.mark.parametrize(
    ("ready", "path", "expected"),
    [
        (True, "/healthz", (200, "ok\n")),
        (False, "/healthz", (200, "ok\n")),
        (True, "/readyz", (200, "ready\n")),
        (False, "/readyz", (503, "not ready\n")),
        (True, "/version", (200, f'{{"version":"{__version__}"}}')),
        (True, "/", (404, "Not Found")),
    ],
)
async def test_probes_are_told_how_it_is(ready, path, expected):
    async with client(ready) as http:
        response = await http.get(path)
    assert (response.status_code, response.text) == expected


async def test_metrics_count_by_rule_and_reason():
    telemetry = Telemetry()
    telemetry.record(Request("GET", "h", "/"), Deny(Reason.TOKEN_MISSING), 0.001)
    telemetry.rules(["a", "b", "b"])
    telemetry.problems(1)
    async with client(telemetry=telemetry) as http:
        page = (await http.get("/metrics")).text
    assert 'authz_checks_total{reason="TOKEN_MISSING",rule=""} 1.0' in page
    assert "authz_policy_rules 3.0" in page
    assert "authz_policy_problems 1.0" in page


async def test_it_listens_and_stops(tmp_path):
    path = tmp_path / "admin.sock"
    server = admin.Server(pages(True, Telemetry()), f"unix:{path}")
    await server.start()
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(path))) as http:
        assert (await http.get("http://admin/readyz")).status_code == 200
    await server.stop()


async def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(OSError, match=f"can not listen on {address}: Address already in use"):
            await admin.Server(pages(True, Telemetry()), address).start()


async def test_whoever_asks_nothing_is_hung_up_on_unless_it_is_an_envoy():
    async with serving(0) as (brief, _), serving(admin.BEHIND_ENVOY_S) as (lasting, writer):
        assert await brief.read() == b""
        assert not lasting.at_eof()
        writer.write(ASK)
        assert await lasting.readline() == b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\n"], ids=["nothing", "half a head"])
@pytest.mark.parametrize("used", [False, True])
async def test_whoever_never_ends_asking_is_hung_up_on(sent, used):
    async with serving(1, admin.Bounds(head_s=0.05), used=used) as (reader, writer):
        writer.write(sent)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 20) == b""


async def test_whoever_goes_on_asking_is_answered():
    async with serving(1, admin.Bounds(head_s=0.02)) as (reader, writer):
        for _ in range(5):
            await asyncio.sleep(0.03)
            writer.write(ASK)
            assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")


async def test_an_answer_that_takes_long_is_not_cut_off():
    async def slow() -> bool:
        await asyncio.sleep(0.1)
        return True

    async def metrics() -> bytes:
        return b""

    port = free_port()
    bounds = admin.Bounds(head_s=0.01)
    server = admin.Server(admin.app(slow, metrics), f"{LOOPBACK}:{port}", 1, bounds)
    await server.start()
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"http://{LOOPBACK}:{port}/readyz")).text == "ready\n"
    await server.stop()


async def test_of_too_many_connections_the_last_end():
    async with serving(1, admin.Bounds(connections_max=1)) as (reader, writer):
        address = writer.get_extra_info("peername")
        late, other = await asyncio.open_connection(*address)
        with suppress(ConnectionError):
            assert await asyncio.wait_for(late.read(), 20) == b""
        other.close()
        writer.write(ASK)
        assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")


async def test_a_head_that_is_too_long_is_refused():
    async with serving(1, admin.Bounds(head_bytes=1 << 10)) as (reader, writer):
        writer.write(ASK[:-2] + b"x: " + b"y" * 4096)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")


ASK = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


@asynccontextmanager
async def serving(idle_s, bounds=admin.BOUNDS, *, used=True):
    """A connection that has been used once."""
    port = free_port()
    server = admin.Server(pages(True, Telemetry()), f"{LOOPBACK}:{port}", idle_s, bounds)
    await server.start()
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    if used:
        writer.write(ASK)
        await reader.readuntil(b"ok\n")
    yield reader, writer
    writer.close()
    await server.stop()
