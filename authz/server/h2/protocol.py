"""A connection on a transport of asyncio: reads, calls the service, writes once for each read.

A call that finds everything in memory is answered before `data_received` returns; others become tasks.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf
from typing import Any, cast

from authz.server.h2 import grpc, health
from authz.server.h2.connection import Connection
from authz.server.h2.faults import Cause
from authz.server.h2.grpc import Call, Reply
from authz.server.h2.health import Health, Tell
from authz.server.h2.limits import Limits
from authz.server.h2.resumed import Resumed
from authz.server.h2.streams import Asked, Event, TooLong

Rpc = Callable[[bytes, Mapping[str, str]], Coroutine[Any, Any, bytes]]


@dataclass(frozen=True, slots=True)
class Context:
    """What all connections of a server share. `rpc` never raises; `random` gives numbers in [0, 1)."""

    rpc: Rpc
    path: bytes
    health: Health
    limits: Limits
    loop: asyncio.AbstractEventLoop
    random: Callable[[], float]
    count: Callable[[Cause], None]
    admits: Callable[[Any], bool] | None = None  # asked about a client's TLS handshake
    connections: set["Protocol"] = field(default_factory=set)
    empty: asyncio.Event = field(default_factory=asyncio.Event)  # set when the last connection goes


class Protocol(asyncio.Protocol):
    """Of one connection."""

    _transport: asyncio.Transport
    _connection: Connection

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rpc = context.rpc
        self._limits = context.limits
        self._loop = context.loop
        self._now = context.loop.time()
        self._tasks: dict[int, asyncio.Task[bytes]] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._watching: dict[int, Tell] = {}
        self._stalled_s: float | None = None
        self._closing = False
        self._ends: tuple[asyncio.TimerHandle, ...] = ()
        self._methods = {context.path: self._check, health.CHECK: self._health, health.WATCH: self._watch}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take it, unless there are too many or it is not HTTP/2."""
        self._transport = cast("asyncio.Transport", transport)
        self._now = self._loop.time()
        self._connection = Connection(self._limits, self._now, self._context.count, self._expires_s())
        if cause := self._unwelcome():
            self._context.count(cause)
            self._closing = True
            self._transport.abort()
            return
        self._context.connections.add(self)
        self._context.empty.clear()
        self._transport.set_write_buffer_limits(self._limits.write_buffer_bytes)
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Some bytes; all the answers that they bring about leave together."""
        self._now = self._loop.time()
        for event in self._connection.receive(data, self._now):
            self._happened(event)
        self._flush()

    def pause_writing(self) -> None:
        """Who does not read is not read from."""
        self._stalled_s = self._loop.time()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """It reads again."""
        self._stalled_s = None
        self._transport.resume_reading()

    def connection_lost(self, _: Exception | None) -> None:
        """Nobody is left to answer."""
        self._closing = True
        self._abandon()
        self._methods.clear()  # they hold this object, which would wait for the collector of cycles
        for timer in self._ends:
            timer.cancel()
        self._context.connections.discard(self)
        if not self._context.connections:
            self._context.empty.set()

    def tick(self) -> None:
        """To be called every second or so."""
        self._now = self._loop.time()
        if self._stalled_s is not None and self._now - self._stalled_s > self._limits.stalled_s:
            self._context.count(Cause.STALLED)
            self._transport.abort()
            return
        for event in self._connection.tick(self._now):
            self._happened(event)
        self._unwatch()
        self._flush()

    def drain(self) -> None:
        """Finish what is in flight, then close."""
        self._connection.drain(self._loop.time())
        self._unwatch()
        self._flush()

    def abort(self) -> None:
        """Close now."""
        self._transport.abort()

    def _happened(self, event: Event) -> None:
        if isinstance(event, Asked):
            if self._connection.waits(event.stream_id):
                self._asked(event)
        elif isinstance(event, TooLong):
            self._context.count(Cause.MESSAGE)
            self._refuse(event.stream_id, grpc.TOO_LONG)
        else:
            self._forget(event.stream_id)

    def _asked(self, asked: Asked) -> None:
        try:
            self._answer(*asked)
        except grpc.Refusal as refusal:
            self._refuse(asked.stream_id, refusal.reply)

    def _answer(self, stream_id: int, call: Call, body: bytes, opened_s: float) -> None:
        method = self._methods.get(call.path)
        if call.refusal is not None:
            raise grpc.Refusal(call.refusal)
        if method is None:
            raise grpc.Refusal(grpc.UNKNOWN)
        message = grpc.message(call, body)
        deadline_s = opened_s + call.timeout_s
        if deadline_s <= self._now:
            self._context.count(Cause.LATE)
            raise grpc.Refusal(grpc.LATE)
        method(stream_id, call, message, deadline_s)

    def _check(self, stream_id: int, call: Call, message: bytes, deadline_s: float) -> None:
        coroutine = self._rpc(message, call.told)
        try:
            waiting = coroutine.send(None)
        except StopIteration as done:
            self._connection.answer(stream_id, grpc.HEAD, grpc.framed(done.value), grpc.OK)
            return
        task = self._tasks[stream_id] = self._loop.create_task(Resumed(coroutine, waiting))
        task.add_done_callback(partial(self._done, stream_id))
        if deadline_s < inf:
            self._timers[stream_id] = self._loop.call_at(deadline_s, self._expire, stream_id)

    def _done(self, stream_id: int, task: asyncio.Task[bytes]) -> None:
        if self._tasks.get(stream_id) is task:
            self._forget(stream_id)
            self._connection.answer(stream_id, grpc.HEAD, grpc.framed(task.result()), grpc.OK)
            self._flush()

    def _expire(self, stream_id: int) -> None:
        self._context.count(Cause.LATE)
        self._forget(stream_id)
        self._refuse(stream_id, grpc.LATE)
        self._flush()

    def _health(self, stream_id: int, _call: Call, message: bytes, _: float) -> None:
        answer = self._context.health.check(message)
        self._connection.answer(stream_id, grpc.HEAD, grpc.framed(answer), grpc.OK)

    def _watch(self, stream_id: int, _call: Call, message: bytes, _: float) -> None:
        if len(self._watching) >= self._limits.watches_max:
            self._context.count(Cause.WATCHES)
            raise grpc.Refusal(grpc.WATCHES)
        tell = partial(self._tell, stream_id)
        first = self._context.health.watch(message, tell)
        self._watching[stream_id] = tell
        self._connection.begin(stream_id, grpc.HEAD)
        self._connection.more(stream_id, grpc.framed(first))

    def _tell(self, stream_id: int, message: bytes) -> None:
        self._connection.more(stream_id, grpc.framed(message))
        self._flush()

    def _unwatch(self) -> None:
        """While draining: who watches would never end, and asks elsewhere."""
        if self._connection.draining:
            for stream_id in list(self._watching):
                self._forget(stream_id)
                self._connection.finish(stream_id, grpc.LEAVING)

    def _refuse(self, stream_id: int, reply: Reply) -> None:
        self._connection.refuse(stream_id, reply.head, reply.text)

    def _forget(self, stream_id: int) -> None:
        """Nobody waits for it: cancel what computes it."""
        if timer := self._timers.pop(stream_id, None):
            timer.cancel()
        if task := self._tasks.pop(stream_id, None):
            task.cancel()
        if tell := self._watching.pop(stream_id, None):
            self._context.health.leave(tell)

    def _abandon(self) -> None:
        for stream_id in (*self._tasks, *self._watching):
            self._forget(stream_id)

    def _flush(self) -> None:
        out = self._connection.take()
        if out and not self._transport.is_closing():
            self._transport.write(out)
        if self._connection.ended and not self._closing:
            self._close()

    def _close(self) -> None:
        """Our side first: closing both while the client still writes could cost it our last answers."""
        self._closing = True
        self._abandon()
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._ends = (
            self._loop.call_later(self._limits.linger_s, self._transport.close),
            self._loop.call_later(self._limits.drain_s, self._transport.abort),
        )

    def _expires_s(self) -> float:
        spread = self._limits.age_jitter * (2 * self._context.random() - 1)
        return self._now + self._limits.age_s * (1 + spread)

    def _unwelcome(self) -> Cause | None:
        if len(self._context.connections) >= self._limits.connections_max:
            return Cause.CONNECTIONS
        tls = self._transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() != "h2":  # RFC 9113 3.2
            return Cause.ALPN
        if tls is not None and self._context.admits and not self._context.admits(tls):
            return Cause.CLIENT
        return None
