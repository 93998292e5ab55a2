"""What clients leave behind, by intent or not: it takes no more room than it says, and it goes."""

import asyncio
import gc
import tracemalloc
import weakref
from dataclasses import replace

import grpc as grpcio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from authz.server.h2 import grpc
from authz.server.h2.limits import LIMITS, Budget
from authz.server.h2.server import Server
from tests.server.h2 import wire
from tests.server.h2.raw import client
from tests.server.h2.test_server import Line, serving
from tests.server.h2.wire import Peer
from tests.server.transports import free_address
from tests.servers import PATIENCE_S

STATES = health_pb2.HealthCheckResponse


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_body_in_small_pieces_takes_no_more_room_than_in_one(size):
    peer = Peer(replace(LIMITS, pieces=Budget(20_000, 0)))
    peer.send(peer.headers(1))
    pieces = wire.data(1, b"x" * size) * 1_000
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(20):
        peer.connection.receive(pieces, 0.0)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 1.5 * size * 20_000 + 20_000  # 8 bytes more for each if it were kept
    peer.send(wire.data(1, b"y", "END_STREAM"))
    assert peer.asked == [(1, b"x" * size * 20_000 + b"y")]


@pytest.mark.parametrize("wrong", [b"", wire.headers(3, b"\x80", "END_HEADERS")])
async def test_a_connection_that_has_ended_leaves_nothing(wrong):
    """Neither a timer nor a cycle of references keeps it, whoever ended it."""
    async with serving(Line()) as (server, address):
        async with client(address) as raw:
            raw.send(raw.request(1))
            await raw.until(0, 1)
            ended = [weakref.ref(protocol) for protocol in server._context.connections]
            gc.disable()
            raw.send(wrong)
            if wrong:
                await raw.reader.read()
        await asyncio.wait_for(server._context.empty.wait(), PATIENCE_S)
        left = [ref() for ref in ended]
        gc.enable()
        assert left == [None]


async def test_watches_of_health_are_bounded():
    async with serving(Line(), replace(LIMITS, watches_max=2)) as (server, address), client(address) as raw:
        watch = [*wire.REQUEST[:2], (":path", "/grpc.health.v1.Health/Watch"), *wire.REQUEST[3:]]
        for stream_id in (1, 3, 5):
            raw.send(raw.peer.headers(stream_id, watch) + wire.data(stream_id, b"\0" * 5, "END_STREAM"))
        assert (await raw.until(1, 5)).data == grpc.WATCHES.head
        assert server.refused == {"watches": 1}


async def test_who_watches_health_does_not_hold_up_the_end():
    server = Server(Line(), address := free_address())  # type: ignore[arg-type]  # all that is asked of it
    await server.start()
    async with grpcio.aio.insecure_channel(address) as channel:
        watching = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == STATES.NOT_SERVING
        await server.serving(ready=True)
        assert (await watching.read()).status == STATES.SERVING
        await asyncio.wait_for(server.stop(), LIMITS.goaway_s + 2)
        assert (await watching.read()).status == STATES.NOT_SERVING
        assert await watching.code() is grpcio.StatusCode.UNAVAILABLE
