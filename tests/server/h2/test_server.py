"""The protocol on real sockets: what the sans-IO parts can not show."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from authz.server.h2 import grpc
from authz.server.h2.frames import PREFACE
from authz.server.h2.limits import LIMITS, Limits
from authz.server.h2.protocol import Protocol
from authz.server.h2.resumed import Resumed
from authz.server.h2.server import Server
from tests.server.h2 import wire
from tests.server.h2.raw import ECHO, client
from tests.server.h2.wire import Peer
from tests.server.transports import free_address
from tests.servers import PATIENCE_S


class Line:
    """A service whose answers wait for `gate`, if there is one."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None
        self.asked, self.given_up = asyncio.Event(), asyncio.Event()
        self.cancelled = 0

    async def rpc(self, raw: bytes, _: object) -> bytes:
        self.asked.set()
        try:
            if self.gate:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            self.given_up.set()
        return raw


@asynccontextmanager
async def serving(line: Any, limits: Limits = LIMITS, **options: Any) -> AsyncIterator[tuple[Server, str]]:
    address = free_address()
    server = Server(line, address, limits=limits, **options)
    await server.start()
    try:
        yield server, address
    finally:
        await server.stop()


async def test_a_call_that_need_not_wait_makes_no_task():
    async with serving(Line()) as (_, address), client(address) as raw:
        raw.send(raw.request(1))
        assert (await raw.until(0, 1)).data == grpc.framed(ECHO)
        before = len(asyncio.all_tasks())
        raw.send(b"".join(raw.request(stream_id) for stream_id in range(3, 103, 2)))
        await raw.until(1, 101)
        assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize("end", ["reset", "close", "deadline"])
async def test_a_call_that_nobody_waits_for_is_cancelled(end):
    line = Line()
    line.gate = asyncio.Event()
    async with serving(line) as (server, address), client(address) as raw:
        raw.send(raw.request(1, *([("grpc-timeout", "50m")] if end == "deadline" else [])))
        await asyncio.wait_for(line.asked.wait(), PATIENCE_S)
        if end == "reset":
            raw.send(wire.reset(1))
        if end == "close":
            raw.writer.close()
        await asyncio.wait_for(line.given_up.wait(), PATIENCE_S)
        assert line.cancelled == 1
        assert server.refused == ({"late": 1} if end == "deadline" else {})


async def test_a_call_that_is_late_when_it_comes_is_not_made():
    line = Line()
    async with serving(line) as (server, address), client(address) as raw:
        raw.send(raw.request(1, ("grpc-timeout", "0S")))
        assert (await raw.until(1, 1)).data == grpc.LATE.head
        assert server.refused == {"late": 1}


async def test_a_message_too_long_is_counted():
    limits = replace(LIMITS, message_max_bytes=100)
    async with serving(Line(), limits) as (server, address), client(address) as raw:
        raw.send(raw.request(1, message=b"x" * 101) + raw.request(3, message=b"x" * 100))
        assert (await raw.until(1, 1)).data == grpc.TOO_LONG.head
        assert (await raw.until(0, 3)).data == grpc.framed(b"x" * 100)
        assert server.refused == {"message": 1}


async def test_too_many_connections_are_not_taken():
    async with serving(Line(), replace(LIMITS, connections_max=1)) as (server, address):
        async with client(address) as first, client(address) as second:
            first.send(first.request(1))
            await first.until(0, 1)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
                await second.until(4, 0)
        assert server.refused == {"connections": 1}


async def test_who_does_not_read_is_not_read_from_and_then_left():
    limits = replace(LIMITS, stalled_s=0.2, write_buffer_bytes=1 << 16, drain_s=1)
    big = b"x" * 60_000
    async with serving(Line(), limits) as (server, address):
        with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as deaf:
            peer = Peer()
            wide = wire.settings(INITIAL_WINDOW_SIZE=1 << 30) + wire.window_update(0, 1 << 30)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            asking = b"".join(
                peer.headers(n) + b"".join(parts(n, grpc.framed(big))) for n in range(1, 1000, 2)
            )
            sending = asyncio.ensure_future(loop.sock_sendall(deaf, PREFACE + wide + asking))
            for _ in range(50):
                await asyncio.sleep(0.1)
                if server.refused:
                    break
            sending.cancel()
            assert server.refused == {"stalled": 1}


class Wire(asyncio.Transport):
    """What a protocol does to its transport, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        if name in ("pause_reading", "resume_reading", "abort"):
            return partial(self.done.append, name)
        return super().__getattribute__(name)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is held back here."""

    def write(self, data: Any) -> None:
        """Nobody reads it."""

    def is_closing(self) -> bool:
        return False


@pytest.mark.parametrize(("reads", "done"), [(True, ["pause_reading", "resume_reading"]), (False, None)])
async def test_who_reads_late_is_read_from_again(reads, done):
    server, transport = Server(Line(), free_address(), limits=replace(LIMITS, stalled_s=0.0)), Wire()  # type: ignore[arg-type]
    await server.start()
    protocol = Protocol(server._context)
    protocol.connection_made(transport)
    protocol.pause_writing()
    if reads:
        protocol.resume_writing()
    await asyncio.sleep(0.01)
    protocol.tick()
    assert transport.done == (done or ["pause_reading", "abort"])
    protocol.connection_lost(None)
    await server.stop()


def parts(stream_id: int, body: bytes) -> list[bytes]:
    pieces = [body[at : at + 16_384] for at in range(0, len(body), 16_384)]
    return [wire.data(stream_id, piece) for piece in pieces[:-1]] + [
        wire.data(stream_id, pieces[-1], "END_STREAM")
    ]


@pytest.mark.parametrize(("uniform", "ends"), [(0.0, True), (0.999, False)])
async def test_a_connection_is_drained_at_its_age_give_or_take(uniform, ends):
    limits = replace(LIMITS, age_s=1.0, age_jitter=0.9)
    async with serving(Line(), limits, uniform=lambda: uniform) as (_, address), client(address) as raw:
        raw.send(raw.request(1))
        await raw.until(0, 1)
        waiting = asyncio.ensure_future(raw.until(7, 0))
        await asyncio.wait([waiting], timeout=1.2)
        assert waiting.done() == ends
        waiting.cancel()


async def test_a_path_that_another_server_listens_on_is_not_taken(tmp_path):
    address = f"unix:{tmp_path}/authz.sock"
    first = Server(Line(), address)  # type: ignore[arg-type]  # all that is asked of it
    await first.start()
    with pytest.raises(OSError, match="can not listen on unix:"):
        await Server(Line(), address).start()  # type: ignore[arg-type]
    await first.stop()
    (tmp_path / "authz.sock").touch()
    with pytest.raises(OSError, match="can not listen on unix:"):
        await Server(Line(), address).start()  # type: ignore[arg-type]


async def test_a_path_too_long_for_a_socket_is_told():
    with pytest.raises(OSError, match="x: AF_UNIX path too long"):
        await Server(Line(), f"unix:/tmp/{'x' * 120}").start()  # type: ignore[arg-type]


async def test_a_socket_that_was_left_behind_is_replaced(tmp_path):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(f"{tmp_path}/authz.sock")
    server = Server(Line(), f"unix:{tmp_path}/authz.sock")  # type: ignore[arg-type]
    await server.start()
    await server.stop()


async def test_ports_are_shared_if_that_is_asked_for():
    address = free_address()
    servers = [Server(Line(), address) for _ in range(2)]  # type: ignore[arg-type]
    for server in servers:
        await server.start(reuse_port=True)
    for server in servers:
        await server.stop()


async def test_a_resumed_coroutine_goes_on_where_it_waited():
    async def rpc(future: asyncio.Future[int]) -> int:
        return await future + await asyncio.sleep(0, 1)

    loop = asyncio.get_running_loop()
    future = loop.create_future()
    coroutine = rpc(future)
    task = loop.create_task(Resumed(coroutine, coroutine.send(None)))
    loop.call_soon(future.set_result, 41)
    assert await task == 42


@pytest.mark.parametrize("error", [asyncio.CancelledError, ValueError])
async def test_a_resumed_coroutine_sees_what_goes_wrong(error):
    async def rpc(future: asyncio.Future[int]) -> str:
        try:
            await future
        except error:
            return "seen"
        return "not seen"

    loop = asyncio.get_running_loop()
    future = loop.create_future()
    coroutine = rpc(future)
    task = loop.create_task(Resumed(coroutine, coroutine.send(None)))
    await asyncio.sleep(0)
    if error is ValueError:
        future.set_exception(ValueError())
    else:
        task.cancel()
    assert await task == "seen"
