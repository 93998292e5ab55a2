"""The grpcio transport, asked by a grpcio client over a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server import service
from authz.server.grpcio import Server
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests import idp
from tests.server.test_service import GOOD, POLICY, ask, outcome
from tests.server.test_service import service as ready_service


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture
async def address() -> AsyncIterator[str]:
    where = free_address()
    server = Server(ready_service(), where)
    await server.start()
    await server.serving(ready=True)
    yield where
    await server.stop()


async def test_a_check_is_answered(address):
    async with grpc.aio.insecure_channel(address) as channel:
        check = channel.unary_unary(service.METHOD)
        assert outcome(await check(ask("/any", GOOD))) == (200, "")
        assert outcome(await check(ask("/any"))) == (401, "TOKEN_MISSING")
        assert outcome(await check(b"\xff")) == (503, "INTERNAL_ERROR")


async def test_many_at_once_are_each_given_their_own_answer(address):
    async with grpc.aio.insecure_channel(address) as channel:
        check = channel.unary_unary(service.METHOD)
        asked = [ask("/any", GOOD) if number % 2 else ask("/any") for number in range(200)]
        answers = await asyncio.gather(*map(check, asked))
    assert [outcome(answer)[0] for answer in answers] == [401, 200] * 100


@pytest.mark.parametrize("method", ["/envoy.service.auth.v2.Authorization/Check", "/a/b"])
async def test_other_methods_do_not_exist(address, method):
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary(method)(b"")
    assert error.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_message_too_long_is_not_read(address):
    async with grpc.aio.insecure_channel(address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await channel.unary_unary(service.METHOD)(ask("/any", "a" * (1 << 20)))
    assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("name", ["", service.NAME])
async def test_health_follows_readiness(name):
    where = free_address()
    server = Server(ready_service(None), where)
    await server.start()
    states = health_pb2.HealthCheckResponse
    async with grpc.aio.insecure_channel(where) as channel:
        ask_health = health_pb2_grpc.HealthStub(channel).Check
        question = health_pb2.HealthCheckRequest(service=name)
        assert (await ask_health(question)).status == states.NOT_SERVING
        await server.serving(ready=True)
        assert (await ask_health(question)).status == states.SERVING
    await server.stop()


async def test_a_taken_port_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(OSError, match=f"can not listen on {address}"):
            await Server(ready_service(), address).start()


async def test_a_call_in_flight_is_finished_before_the_server_stops():
    asked, answer = asyncio.Event(), asyncio.Event()
    good = idp.transport()

    async def slow(request: httpx.Request) -> httpx.Response:
        asked.set()
        await answer.wait()
        return good.handler(request)  # type: ignore[return-value]  # a plain function there

    sources = Sources(Client(transport=httpx.MockTransport(slow)), lambda: 0.0)
    line = Service(sources, Telemetry("none"), lambda: idp.NOW)
    line.policy = POLICY
    where = free_address()
    server = Server(line, where)
    await server.start()
    async with grpc.aio.insecure_channel(where) as channel:
        call = asyncio.ensure_future(channel.unary_unary(service.METHOD)(ask("/any", GOOD)))
        await asked.wait()
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        answer.set()
        assert outcome(await call) == (200, "")
        await stopping
    await sources.close()
