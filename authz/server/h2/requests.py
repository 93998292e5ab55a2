"""Requests as they come in: HEADERS, CONTINUATION and DATA, up to the event that one is whole.

What is buffered is bounded for each and for all; what the client does wrong is raised as a fault.
"""

from authz.server.h2 import frames, grpc, headers
from authz.server.h2.budgets import Budgets
from authz.server.h2.faults import Cause, Code, ConnectionFault, StreamFault
from authz.server.h2.frames import END_HEADERS, END_STREAM, PADDED, PRIORITISED
from authz.server.h2.grpc import Call
from authz.server.h2.headers import Headers, Malformed
from authz.server.h2.limits import PIECE_BYTES, Limits
from authz.server.h2.sending import Sending
from authz.server.h2.streams import Asked, Ended, Event, Stream, Streams, TooLong

_PRIORITY_BYTES = 5


class Requests:
    """`events` collects what has come; `calls` counts; streams after `final` are passed over."""

    def __init__(self, limits: Limits, streams: Streams, sending: Sending, budgets: Budgets) -> None:
        self.events: list[Event] = []
        self.calls = 0
        self.final: int | None = None
        self.block: Block | None = None
        self._limits = limits
        self._streams = streams
        self._live = streams.live
        self._sending = sending
        self._budgets = budgets
        self._headers: Headers[Call] = Headers(limits, grpc.call)
        self._room = limits.window_bytes
        self._buffered_bytes = 0

    def headers(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        """A HEADERS frame."""
        if flags & PADDED:
            payload = frames.unpad(payload)
        if flags & PRIORITISED:
            payload = _deprioritised(stream_id, payload)
        if flags & END_HEADERS:
            self._head(stream_id, payload, flags & END_STREAM, now)
        else:
            self.block = Block(stream_id, flags & END_STREAM, payload, now)

    def continuation(self, flags: int, payload: bytes) -> None:
        """A CONTINUATION frame; whoever calls has seen that it is this stream's turn."""
        block = self.block
        if block is None:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a CONTINUATION of nothing")
        block.add(payload, self._limits)
        if flags & END_HEADERS:
            self.block = None
            self._head(block.stream_id, b"".join(block.parts), block.ending, block.opened_s)

    def data(self, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        """A DATA frame."""
        self._room -= len(payload)
        if self._room < self._limits.window_bytes >> 1:
            self._replenish()
        stream = self._live.get(stream_id)
        if stream is None or stream.whole:
            self._stray(stream_id)
            self._frugal(payload, now)
            return
        if flags & PADDED:
            payload = self._unpadded(stream_id, payload)
        if payload:
            self._keep(stream, payload)
        if not flags & END_STREAM:
            self._frugal(payload, now)
        elif stream_id in self._live:
            self._finish(stream)

    def drop(self, stream: Stream) -> None:
        """It ends without an answer."""
        self._end(stream)
        self._sending.forget(stream)
        if stream.whole:
            self.events.append(Ended(stream.id))

    def done(self, stream: Stream) -> None:
        """Its answer has gone. RFC 9113 8.1: that may be before the whole request has come."""
        self._end(stream)
        if not stream.whole:
            self._streams.forsake(stream.id)
            self._sending.put(frames.reset(stream.id, Code.NO_ERROR))

    def _end(self, stream: Stream) -> None:
        del self._live[stream.id]
        self._buffered_bytes -= stream.received_bytes

    def _head(self, stream_id: int, block: bytes, ending: int, now: float) -> None:
        stream = self._live.get(stream_id)
        if stream is not None:
            self._trailers(stream, block, ending)
        elif self._streams.forsaken(stream_id):
            self._headers.fields(block)
        else:
            self._open(stream_id, block, ending, now)

    def _open(self, stream_id: int, block: bytes, ending: int, now: float) -> None:
        self._streams.admit(stream_id)
        try:
            call = self._headers.request(block)
        except Malformed as error:
            raise StreamFault(stream_id, Code.PROTOCOL_ERROR) from error
        if self.final is not None and stream_id > self.final:
            self._streams.forsake(stream_id)
            return
        if len(self._live) >= self._limits.streams_max:
            raise StreamFault(stream_id, Code.REFUSED_STREAM, Cause.STREAMS)
        stream = self._live[stream_id] = Stream(stream_id, call, now)
        if ending:
            self._finish(stream)

    def _trailers(self, stream: Stream, block: bytes, ending: int) -> None:
        fields = self._headers.fields(block)
        if stream.whole:
            raise StreamFault(stream.id, Code.STREAM_CLOSED)
        try:
            headers.trailers(fields)
        except Malformed as error:
            raise StreamFault(stream.id, Code.PROTOCOL_ERROR) from error
        if not ending:
            raise StreamFault(stream.id, Code.PROTOCOL_ERROR)
        self._finish(stream)

    def _keep(self, stream: Stream, payload: bytes) -> None:
        stream.received_bytes += len(payload)
        self._buffered_bytes += len(payload)
        if stream.received_bytes > self._limits.stream_window_bytes:
            raise StreamFault(stream.id, Code.FLOW_CONTROL_ERROR)
        if self._buffered_bytes > self._limits.buffered_max_bytes:
            raise StreamFault(stream.id, Code.REFUSED_STREAM, Cause.BUFFERED)
        if stream.received_bytes > self._limits.body_max_bytes:
            self.events.append(TooLong(stream.id))
        if stream.body:  # joined at once: a million small pieces would take far more room than they say
            stream.body = bytearray(stream.body) if isinstance(stream.body, bytes) else stream.body
            stream.body += payload
        else:
            stream.body = payload

    def _finish(self, stream: Stream) -> None:
        stream.whole = True
        body, stream.body = bytes(stream.body), b""
        if stream.call.length not in (None, stream.received_bytes):  # RFC 9113 8.1.1
            raise StreamFault(stream.id, Code.PROTOCOL_ERROR)
        if stream.received_bytes > self._limits.body_max_bytes:
            return
        self.calls += 1
        self.events.append(Asked(stream.id, stream.call, body, stream.opened_s))

    def _frugal(self, payload: bytes, now: float) -> None:
        """A frame that brings next to nothing costs as much as another."""
        if not payload:
            self._budgets.spend(Cause.EMPTY_DATA, now, self.calls)
        elif len(payload) < PIECE_BYTES:
            self._budgets.spend(Cause.PIECES, now, self.calls)

    def _stray(self, stream_id: int) -> None:
        """DATA for a stream that takes none (RFC 9113 5.1)."""
        if self._streams.idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "DATA on an idle stream")
        if not self._streams.forsaken(stream_id):
            raise StreamFault(stream_id, Code.STREAM_CLOSED)

    def _unpadded(self, stream_id: int, payload: bytes) -> bytes:
        """Padding counts in the stream's window, which is as wide as the longest body: give it back."""
        content = frames.unpad(payload)
        self._sending.put(frames.window_update(stream_id, len(payload) - len(content)))
        return content

    def _replenish(self) -> None:
        if self._room < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "more DATA than the window is wide")
        self._sending.put(frames.window_update(0, self._limits.window_bytes - self._room))
        self._room = self._limits.window_bytes


class Block:
    """A header block in pieces."""

    __slots__ = ("ending", "opened_s", "parts", "size_bytes", "stream_id")

    def __init__(self, stream_id: int, ending: int, payload: bytes, now: float) -> None:
        self.stream_id = stream_id
        self.ending = ending
        self.opened_s = now
        self.parts = [payload]
        self.size_bytes = len(payload)

    def add(self, payload: bytes, limits: Limits) -> None:
        """Raises ConnectionFault when it grows too long or comes in too many pieces."""
        self.parts.append(payload)
        self.size_bytes += len(payload)
        if len(self.parts) > limits.continuations_max + 1 or self.size_bytes > limits.block_max_bytes:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "a header block too long", Cause.CONTINUATIONS)


def _deprioritised(stream_id: int, payload: bytes) -> bytes:
    """Priorities are ignored but for what was always wrong (RFC 7540 5.3.1)."""
    if len(payload) < _PRIORITY_BYTES:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "no room for the priority")
    if frames.word(payload) == stream_id:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream that depends on itself")
    return payload[_PRIORITY_BYTES:]
