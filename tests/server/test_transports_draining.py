"""Both transports when a connection or the server ends: what is in flight is answered first."""

import asyncio

import grpc

from authz.server import service
from authz.server.h2 import server as h2
from tests.server.test_service import GOOD, ask, outcome
from tests.server.test_service import service as ready_service
from tests.server.transports import free_address


async def test_a_call_in_flight_is_finished_before_the_server_stops(transport, slow):
    where = free_address()
    server = transport(slow.line, where)
    await server.start()
    async with grpc.aio.insecure_channel(where) as channel:
        call = asyncio.ensure_future(channel.unary_unary(service.METHOD)(ask("/any", GOOD)))
        await slow.asked.wait()
        assert slow.line.in_flight == 1
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        slow.answer.set()
        assert outcome(await call) == (200, "")
        assert slow.line.in_flight == 0
        await stopping


async def test_a_server_that_drains_under_load_fails_no_call():
    """Calls go on while one server stops and another takes its place.

    Of h2 alone: grpcio's server cancels calls that reach it while it stops.
    """
    where = free_address()
    server = h2.Server(ready_service(), where)
    await server.start()
    options = (("grpc.initial_reconnect_backoff_ms", 20), ("grpc.min_reconnect_backoff_ms", 20))
    stopped, answered = asyncio.Event(), [asyncio.Event() for _ in range(20)]

    async def caller(channel: grpc.aio.Channel, is_answered: asyncio.Event) -> None:
        check = channel.unary_unary(service.METHOD)
        while not stopped.is_set():
            assert outcome(await check(ask("/any", GOOD), wait_for_ready=True)) == (200, "")
            is_answered.set()

    async def each_is_answered_again() -> None:
        for one in answered:
            one.clear()
        for one in answered:
            await one.wait()

    async with grpc.aio.insecure_channel(where, options=options) as channel, asyncio.TaskGroup() as callers:
        for one in answered:
            callers.create_task(caller(channel, one))
        await each_is_answered_again()
        await server.stop()
        successor = h2.Server(ready_service(), where)
        await successor.start()
        await each_is_answered_again()
        stopped.set()
    await successor.stop()
