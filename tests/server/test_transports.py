"""Both transports, held to the same by a grpcio client over a real socket."""

import asyncio
import socket

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server import service
from tests.server.test_service import GOOD, ask, outcome
from tests.server.test_service import service as ready_service
from tests.server.transports import serving

STATES = health_pb2.HealthCheckResponse


async def test_a_check_is_answered(transport):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        assert outcome(await check(ask("/any", GOOD))) == (200, "")
        assert outcome(await check(ask("/any"))) == (401, "TOKEN_MISSING")
        assert outcome(await check(b"\xff")) == (503, "INTERNAL_ERROR")


async def test_a_unix_socket_serves_as_well(transport, tmp_path):
    async with serving(transport, ready_service(), f"unix:{tmp_path}/authz.sock") as (_, channel):
        assert outcome(await channel.unary_unary(service.METHOD)(ask("/any", GOOD))) == (200, "")


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
