"""Both transports, held to the same by a grpcio client over a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server import grpcio, service
from authz.server.h2 import server as h2
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests import idp
from tests.server.test_service import GOOD, POLICY, ask, outcome
from tests.server.test_service import service as ready_service

TRANSPORTS: dict[str, Callable[[Service, str], grpcio.Server | h2.Server]] = {
    "grpcio": grpcio.Server,
    "h2": h2.Server,
}
MESSAGE_MAX_BYTES = grpcio.MESSAGE_MAX_BYTES
STREAMS = 1_000  # at once; grpcio's server resets some of more than that
STATES = health_pb2.HealthCheckResponse


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(params=TRANSPORTS, name="transport")
def _transport(request: pytest.FixtureRequest) -> Any:
    return TRANSPORTS[request.param]


@asynccontextmanager
async def serving(
    transport: Any, line: Service, where: str | None = None
) -> AsyncIterator[tuple[Any, grpc.aio.Channel]]:
    """A server that is ready, and a client of it."""
    where = where or free_address()
    server = transport(line, where)
    await server.start()
    await server.serving(ready=True)
    try:
        async with grpc.aio.insecure_channel(where) as channel:
            yield server, channel
    finally:
        await server.stop()


class Slow:
    """A provider that has been asked, and answers when told to. It is given a good answer then."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.sources = Sources(Client(transport=httpx.MockTransport(self._handle)), lambda: 0.0)
        self.line = Service(self.sources, Telemetry("none"), lambda: idp.NOW)
        self.line.policy = POLICY
        self._good = idp.transport()

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        await self.answer.wait()
        return self._good.handler(request)  # type: ignore[return-value]  # a plain function there


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    provider = Slow()
    yield provider
    await provider.sources.close()


async def test_a_check_is_answered(transport):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        assert outcome(await check(ask("/any", GOOD))) == (200, "")
        assert outcome(await check(ask("/any"))) == (401, "TOKEN_MISSING")
        assert outcome(await check(b"\xff")) == (503, "INTERNAL_ERROR")


async def test_a_unix_socket_serves_as_well(transport, tmp_path):
    async with serving(transport, ready_service(), f"unix:{tmp_path}/authz.sock") as (_, channel):
        assert outcome(await channel.unary_unary(service.METHOD)(ask("/any", GOOD))) == (200, "")


@pytest.mark.parametrize("number", [200, STREAMS])
async def test_many_at_once_are_each_given_their_own_answer(transport, number):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        asked = [ask("/any", GOOD) if number % 2 else ask("/any") for number in range(number)]
        answers = await asyncio.gather(*map(check, asked))
    assert [outcome(answer)[0] for answer in answers] == [401, 200] * (number // 2)


async def test_many_that_wait_at_once_are_all_answered(transport, slow):
    async with serving(transport, slow.line) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        calls = [asyncio.ensure_future(check(ask("/any", GOOD))) for _ in range(STREAMS)]
        await slow.asked.wait()
        await asyncio.sleep(0.2)
        slow.answer.set()
        assert {outcome(answer) for answer in await asyncio.gather(*calls)} == {(200, "")}


@pytest.mark.parametrize(
    "size", [0, 1, 16_379, 16_380, 16_384, 65_535, 65_536, 300_000, MESSAGE_MAX_BYTES - 2_000]
)
async def test_a_message_may_have_any_size_up_to_the_limit(transport, size):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        asked = ask("/any", GOOD, x_filler="f" * size)
        assert [outcome(answer) for answer in await asyncio.gather(*map(check, [asked] * 5))] == [
            (200, "")
        ] * 5


async def test_a_message_too_long_is_not_read(transport):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        for size in (MESSAGE_MAX_BYTES, 2 * MESSAGE_MAX_BYTES):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await check(ask("/any", "a" * size))
            assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert outcome(await check(ask("/any", GOOD))) == (200, ""), "the connection goes on"


async def test_a_compressed_message_is_refused_or_read(transport):
    """One transport knows gzip, the other knows none and says so; neither takes it for something else."""
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        call = check(ask("/any", GOOD), compression=grpc.Compression.Gzip)
        if await call.code() is grpc.StatusCode.OK:
            assert outcome(await call) == (200, "")
        else:
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("method", ["/envoy.service.auth.v2.Authorization/Check", "/a/b"])
async def test_other_methods_do_not_exist(transport, method):
    async with serving(transport, ready_service()) as (_, channel):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary(method)(b"")
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("name", ["", service.NAME])
async def test_health_follows_readiness(transport, name):
    async with serving(transport, ready_service(None)) as (server, channel):
        ask_health = health_pb2_grpc.HealthStub(channel).Check
        question = health_pb2.HealthCheckRequest(service=name)
        assert (await ask_health(question)).status == STATES.SERVING
        await server.serving(ready=False)
        assert (await ask_health(question)).status == STATES.NOT_SERVING


async def test_health_of_an_unknown_service_is_not_found(transport):
    async with serving(transport, ready_service(None)) as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
        assert error.value.code() is grpc.StatusCode.NOT_FOUND
        watching = stub.Watch(health_pb2.HealthCheckRequest(service="nobody"))
        assert (await watching.read()).status == STATES.SERVICE_UNKNOWN
        watching.cancel()


async def test_who_watches_health_is_told_of_each_change(transport):
    async with serving(transport, ready_service(None)) as (server, channel):
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        for ready in (True, False, True):
            await server.serving(ready=ready)
            expected = STATES.SERVING if ready else STATES.NOT_SERVING
            assert (await watching.read()).status == expected
        watching.cancel()


async def test_a_call_past_its_deadline_is_given_up(transport, slow):
    async with serving(transport, slow.line) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await check(ask("/any", GOOD), timeout=0.1)
        assert error.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        slow.answer.set()
        assert outcome(await check(ask("/any", GOOD))) == (200, ""), "the connection goes on"


async def test_a_cancelled_call_harms_no_other(transport, slow):
    async with serving(transport, slow.line) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        given_up, kept = (asyncio.ensure_future(check(ask("/any", GOOD))) for _ in range(2))
        await slow.asked.wait()
        given_up.cancel()
        slow.answer.set()
        assert outcome(await kept) == (200, "")


async def test_a_taken_port_is_named(transport):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(OSError, match=f"can not listen on {address}"):
            await transport(ready_service(), address).start()


async def test_a_call_in_flight_is_finished_before_the_server_stops(transport, slow):
    where = free_address()
    server = transport(slow.line, where)
    await server.start()
    async with grpc.aio.insecure_channel(where) as channel:
        call = asyncio.ensure_future(channel.unary_unary(service.METHOD)(ask("/any", GOOD)))
        await slow.asked.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        slow.answer.set()
        assert outcome(await call) == (200, "")
        await stopping


async def test_a_server_that_drains_under_load_fails_no_call():
    """Calls go on while one server stops and another takes its place.

    Of h2 alone: grpcio's server cancels calls that reach it while it stops.
    """
    where = free_address()
    server = h2.Server(ready_service(), where)
    await server.start()
    options = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20))
    stopped = asyncio.Event()

    async def caller(channel: grpc.aio.Channel) -> int:
        check, calls = channel.unary_unary(service.METHOD), 0
        while not stopped.is_set():
            assert outcome(await check(ask("/any", GOOD), wait_for_ready=True)) == (200, "")
            calls += 1
        return calls

    async with grpc.aio.insecure_channel(where, options=options) as channel:
        callers = [asyncio.create_task(caller(channel)) for _ in range(20)]
        await asyncio.sleep(0.3)
        await server.stop()
        successor = h2.Server(ready_service(), where)
        await successor.start()
        await asyncio.sleep(0.3)
        stopped.set()
        assert all(await asyncio.gather(*callers)), "each was answered before, during or after"
    await successor.stop()
