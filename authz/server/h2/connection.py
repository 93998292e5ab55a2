"""One HTTP/2 connection as a server (RFC 9113): bytes in, events and bytes out.

It knows no socket and no clock: whoever owns it writes what `take` gives after each call, and closes the
transport when `ended` says so.
"""

from collections.abc import Callable
from math import inf
from typing import assert_never

from authz.server.h2 import frames
from authz.server.h2.budgets import Budgets
from authz.server.h2.control import FAREWELL, Control
from authz.server.h2.faults import Cause, Code, ConnectionFault, StreamFault
from authz.server.h2.frames import ACK, HEAD_BYTES, PREFACE, STREAM_MASK, Kind, Setting, unpack_head
from authz.server.h2.lifetime import Lifetime, Step
from authz.server.h2.limits import FRAME_MAX_BYTES, WINDOW_MAX_BYTES, WINDOW_START_BYTES, Limits
from authz.server.h2.requests import Requests
from authz.server.h2.sending import Sending
from authz.server.h2.streams import Event, Stream, Streams

_DATA = int(Kind.DATA)
_HEADERS = int(Kind.HEADERS)
_CONTINUATION = int(Kind.CONTINUATION)

_ASKING = b"anyone ?"  # the PING that asks a silent client


class Connection:
    """`count` is told of each refusal; `expires_s` is when to drain."""

    def __init__(
        self, limits: Limits, now: float, count: Callable[[Cause], None], expires_s: float = inf
    ) -> None:
        self._failed = False
        self._limits = limits
        self._count = count
        self._now = now
        self._left = b""
        self._prefaced = False
        self._streams = Streams()
        self._live = self._streams.live
        self._sending = Sending()
        self._life = Lifetime(limits, now, expires_s)
        self._budgets = Budgets(limits, now)
        self._requests = Requests(limits, self._streams, self._sending, self._budgets)
        self._control = Control(self._streams, self._sending, self._requests, self._budgets, self._life)
        self._sending.put(frames.settings(_settings(limits)))
        self._sending.put(frames.window_update(0, limits.window_bytes - WINDOW_START_BYTES))

    def receive(self, data: bytes, now: float) -> list[Event]:
        """Whatever the client sent, cut anywhere."""
        self._now = now
        if self.ended:
            return []
        self._life.heard(now)
        try:
            self._read(self._left + data if self._left else data)
        except ConnectionFault as fault:
            self._fail(fault)
        return self._happened()

    def tick(self, now: float) -> list[Event]:
        """To be called every second or so."""
        self._now = now
        if self.ended:
            return []
        try:
            self._late()
            self._step(self._life.due(now, bool(self._live)))
        except ConnectionFault as fault:
            self._fail(fault)
        return self._happened()

    def take(self) -> bytes:
        """What is to be written."""
        return self._sending.take()

    @property
    def ended(self) -> bool:
        """Nothing more will be read or answered."""
        return self._failed or (self._life.last_called and not self._live)

    @property
    def draining(self) -> bool:
        """The client has been told that there will be an end."""
        return self._life.draining

    def waits(self, stream_id: int) -> bool:
        """Whether anybody waits for this answer."""
        return stream_id in self._live

    def answer(self, stream_id: int, head: bytes, body: bytes, tail: bytes) -> None:
        """A whole answer. One that nobody waits for is dropped."""
        stream = self._live.get(stream_id)
        if stream is not None:
            self._sent(stream, self._sending.answer(stream, head, body, tail))

    def refuse(self, stream_id: int, head: bytes, text: bytes = b"") -> None:
        """An answer without trailers."""
        stream = self._live.get(stream_id)
        if stream is not None:
            self._sent(stream, self._sending.plain(stream, head, text))

    def begin(self, stream_id: int, head: bytes) -> None:
        """The head of an answer in parts."""
        stream = self._live.get(stream_id)
        if stream is not None:
            self._sending.begin(stream, head)

    def more(self, stream_id: int, body: bytes) -> None:
        """A part of its body."""
        stream = self._live.get(stream_id)
        if stream is not None:
            self._sending.more(stream, body)
            self._bound()

    def finish(self, stream_id: int, tail: bytes) -> None:
        """Its trailers."""
        stream = self._live.get(stream_id)
        if stream is not None:
            self._sent(stream, self._sending.finish(stream, tail))

    def drain(self, now: float) -> None:
        """Take no calls once the client knows, and end after those in flight (RFC 9113 6.8)."""
        if self.ended or self._life.draining:
            return
        self._life.drain(now)
        self._sending.put(frames.goaway(WINDOW_MAX_BYTES, Code.NO_ERROR))
        self._sending.put(frames.ping(FAREWELL))

    def _sent(self, stream: Stream, wholly: bool) -> None:
        if wholly:
            self._requests.done(stream)
        else:
            self._bound()

    def _read(self, data: bytes) -> None:
        at = 0 if self._prefaced else self._preface(data)
        size = len(data)
        while self._prefaced and at + HEAD_BYTES <= size:
            word, flags, stream_id = unpack_head(data, at)
            stop = at + HEAD_BYTES + (word >> 8)
            if word >> 8 > FRAME_MAX_BYTES:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a frame too long")
            if stop > size:
                break
            try:
                self._frame(word & 0xFF, flags, stream_id & STREAM_MASK, data[at + HEAD_BYTES : stop])
            except StreamFault as fault:
                self._reset(fault)
            at = stop
        self._left = data[at:]

    def _preface(self, data: bytes) -> int:
        start = data[: len(PREFACE)]
        if not PREFACE.startswith(start):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "not the preface of HTTP/2")
        self._prefaced = start == PREFACE
        return len(PREFACE) if self._prefaced else 0

    def _frame(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if self._requests.block is not None or not self._life.greeted:
            self._in_turn(kind, flags, stream_id)
        if kind == _DATA:
            self._requests.data(flags, stream_id, payload, self._now)
        elif kind == _HEADERS:
            self._requests.headers(flags, stream_id, payload, self._now)
        elif kind == _CONTINUATION:
            self._requests.continuation(flags, payload)
        else:
            self._control.frame(kind, flags, stream_id, payload, self._now)

    def _in_turn(self, kind: int, flags: int, stream_id: int) -> None:
        """SETTINGS come first (RFC 9113 3.4), and nothing comes between the parts of a header block (4.3)."""
        block = self._requests.block
        if block is None and (kind != Kind.SETTINGS or flags & ACK):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "SETTINGS come first")
        if block is not None and (kind != _CONTINUATION or stream_id != block.stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a header block is not finished")

    def _reset(self, fault: StreamFault) -> None:
        self._count(fault.cause)
        stream = self._live.get(fault.stream_id)
        if stream is not None:
            self._requests.drop(stream)
        self._streams.forsake(fault.stream_id)
        self._sending.put(frames.reset(fault.stream_id, fault.code))
        # What makes us reset streams costs as much as what resets them (CVE-2025-8671).
        self._budgets.spend(Cause.RESETS, self._now, 0)

    def _fail(self, fault: ConnectionFault) -> None:
        self._count(fault.cause)
        self._sending.put(frames.goaway(self._streams.last, fault.code, str(fault)))
        self._live.clear()  # nobody is answered after this
        self._failed = True

    def _bound(self) -> None:
        if self._sending.unsent_bytes > self._limits.unsent_max_bytes:
            self._fail(ConnectionFault(Code.ENHANCE_YOUR_CALM, "answers are not taken", Cause.UNSENT))

    def _happened(self) -> list[Event]:
        events, self._requests.events = self._requests.events, []
        return events

    def _late(self) -> None:
        """End what the client leaves half done."""
        block = self._requests.block
        if block is not None and self._now - block.opened_s > self._limits.body_s:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a slow header block", Cause.BODY)
        for stream in list(self._live.values()):
            if not stream.whole and self._now - stream.opened_s > self._limits.body_s:
                self._reset(StreamFault(stream.id, Code.CANCEL, Cause.BODY))
        for stream in list(self._sending.held.values()):
            if stream.held_s is None:
                stream.held_s = self._now
            elif self._now - stream.held_s > self._limits.unsent_s:
                self._reset(StreamFault(stream.id, Code.CANCEL, Cause.UNSENT))

    def _step(self, step: Step) -> None:
        match step:
            case Step.NOTHING:
                pass
            case Step.PREFACE_LATE:
                raise ConnectionFault(Code.SETTINGS_TIMEOUT, "no SETTINGS", Cause.PREFACE)
            case Step.ASK:
                self._sending.put(frames.ping(_ASKING))
            case Step.SILENT:
                raise ConnectionFault(Code.NO_ERROR, "nobody there", Cause.SILENT)
            case Step.DRAIN:
                self.drain(self._now)
            case Step.LAST_CALL:
                self._control.last_call()
            case Step.OVER:
                raise ConnectionFault(Code.NO_ERROR, "time is up", Cause.DRAIN)
            case _:
                assert_never(step)


def _settings(limits: Limits) -> dict[Setting, int]:
    return {
        Setting.ENABLE_PUSH: 0,
        Setting.MAX_CONCURRENT_STREAMS: limits.streams_max,
        Setting.INITIAL_WINDOW_SIZE: limits.stream_window_bytes,
        Setting.MAX_HEADER_LIST_SIZE: limits.list_max_bytes,
    }
