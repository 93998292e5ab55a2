"""Frames that carry no request: SETTINGS, PING, WINDOW_UPDATE, RST_STREAM and those that are ignored.

Each handler takes flags, stream, payload and `now`, and raises what the client did wrong.
"""

from collections.abc import Callable

from authz.server.h2 import frames
from authz.server.h2.budgets import Budgets
from authz.server.h2.faults import Cause, Code, ConnectionFault, StreamFault
from authz.server.h2.frames import ACK, Kind, Setting
from authz.server.h2.lifetime import Lifetime
from authz.server.h2.limits import FRAME_MAX_BYTES, TABLE_BYTES, WINDOW_MAX_BYTES
from authz.server.h2.requests import Requests
from authz.server.h2.sending import Sending
from authz.server.h2.streams import Stream, Streams

FAREWELL = b"goodbye."  # the PING between the two GOAWAYs; its answer has seen the first

_PING_BYTES, _PRIORITY_BYTES, _WORD_BYTES = 8, 5, 4
_FRAME_MAX_RANGE = range(FRAME_MAX_BYTES, 1 << 24)  # RFC 9113 6.5.2

_ON_CONNECTION = frozenset({Kind.SETTINGS, Kind.PING, Kind.GOAWAY})
_SIZES: dict[int, int] = {
    Kind.PRIORITY: _PRIORITY_BYTES,
    Kind.RST_STREAM: _WORD_BYTES,
    Kind.PING: _PING_BYTES,
    Kind.WINDOW_UPDATE: _WORD_BYTES,
}


class Control:
    """Of one connection, by the parts that it moves."""

    def __init__(
        self,
        streams: Streams,
        sending: Sending,
        requests: Requests,
        budgets: Budgets,
        life: Lifetime,
    ) -> None:
        self._streams = streams
        self._sending = sending
        self._requests = requests
        self._budgets = budgets
        self._life = life

    def frame(self, kind: int, flags: int, stream_id: int, payload: bytes, now: float) -> None:
        """Any frame but HEADERS, CONTINUATION and DATA."""
        if kind == Kind.PUSH_PROMISE:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a client does not push")
        if kind not in _HANDLERS:
            self._noise(now)  # RFC 9113 5.5: unknown ones are ignored
            return
        if kind != Kind.WINDOW_UPDATE and (kind in _ON_CONNECTION) != (stream_id == 0):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a frame on the wrong stream")
        if len(payload) != _SIZES.get(kind, len(payload)):
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a frame of the wrong size")
        _HANDLERS[kind](self, flags, stream_id, payload, now)

    def last_call(self) -> None:
        """The second GOAWAY: streams opened from now on are passed over."""
        self._life.last_called = True
        self._requests.final = self._streams.last
        self._sending.put(frames.goaway(self._streams.last, Code.NO_ERROR))

    def _settings(self, flags: int, _: int, payload: bytes, now: float) -> None:
        if flags & ACK:
            if payload:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "an acknowledgement says nothing")
            self._noise(now)
            return
        self._budgets.spend(Cause.SETTINGS, now, 0)
        settings = frames.read_settings(payload)
        self._sending.put(frames.SETTINGS_ACK)  # first: until it comes, the client counts by the old ones
        self._apply(settings)
        self._life.greeted = True

    def _apply(self, settings: list[tuple[int, int]]) -> None:
        """RFC 9113 6.5.3: in their order. So each must be right, and of several the last one stays."""
        for name, value in settings:
            if name == Setting.ENABLE_PUSH and value > 1:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "ENABLE_PUSH is 0 or 1")
            if name == Setting.MAX_FRAME_SIZE and value not in _FRAME_MAX_RANGE:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "MAX_FRAME_SIZE is out of range")
            if name == Setting.HEADER_TABLE_SIZE and value < TABLE_BYTES:
                self._sending.shrink_table()  # RFC 7541 4.2: also if it grew again at once
        if sizes := [value for name, value in settings if name == Setting.INITIAL_WINDOW_SIZE]:
            self._shift(max(sizes), sizes[-1])

    def _shift(self, largest: int, size: int) -> None:
        """RFC 9113 6.9.2: the windows of all streams move with it, below zero if need be."""
        widest = max((stream.credit for stream in self._streams.live.values()), default=0)
        if largest + max(widest, 0) > WINDOW_MAX_BYTES:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "a window too wide")
        self._sending.initial_window = size
        for stream in list(self._sending.held.values()):
            self._pump(stream)

    def _ping(self, flags: int, _: int, payload: bytes, now: float) -> None:
        if not flags & ACK:
            self._budgets.spend(Cause.PINGS, now, self._requests.calls)
            self._sending.put(frames.ping(payload, ACK))
        elif payload == FAREWELL and self._life.draining and not self._life.last_called:
            self.last_call()
        else:
            self._noise(now)

    def _window_update(self, _: int, stream_id: int, payload: bytes, now: float) -> None:
        self._budgets.spend(Cause.WINDOWS, now, self._requests.calls)
        size = frames.word(payload)
        if not stream_id:
            self._widen(size)
            return
        if self._streams.idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "WINDOW_UPDATE on an idle stream")
        stream = self._streams.live.get(stream_id)
        if stream is None:
            return
        if not size:
            raise StreamFault(stream_id, Code.PROTOCOL_ERROR)
        self._sending.widen_stream(stream, size)
        if stream_id in self._sending.held:
            self._pump(stream)

    def _widen(self, size: int) -> None:
        if not size:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "WINDOW_UPDATE by nothing")
        self._sending.widen(size)
        while stream := self._sending.next():
            self._pump(stream)

    def _rst_stream(self, _: int, stream_id: int, __: bytes, now: float) -> None:
        if self._streams.idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "RST_STREAM on an idle stream")
        stream = self._streams.live.get(stream_id)
        if stream is None:
            self._noise(now)
            return
        self._requests.drop(stream)
        self._budgets.spend(Cause.RESETS, now, 0)

    def _priority(self, _: int, stream_id: int, payload: bytes, now: float) -> None:
        if frames.word(payload) == stream_id:  # RFC 7540 5.3.1
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a stream that depends on itself")
        self._noise(now)

    def _goaway(self, _: int, __: int, payload: bytes, now: float) -> None:
        """It opens no more streams; those open go on, and then it closes."""
        if len(payload) < _PING_BYTES:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "a GOAWAY too short")
        self._noise(now)

    def _pump(self, stream: Stream) -> None:
        if self._sending.pump(stream):
            self._requests.done(stream)

    def _noise(self, now: float) -> None:
        self._budgets.spend(Cause.NOISE, now, self._requests.calls)


_HANDLERS: dict[int, Callable[[Control, int, int, bytes, float], None]] = {
    Kind.PRIORITY: Control._priority,  # noqa: SLF001  # its own, in a table
    Kind.RST_STREAM: Control._rst_stream,  # noqa: SLF001
    Kind.SETTINGS: Control._settings,  # noqa: SLF001
    Kind.PING: Control._ping,  # noqa: SLF001
    Kind.GOAWAY: Control._goaway,  # noqa: SLF001
    Kind.WINDOW_UPDATE: Control._window_update,  # noqa: SLF001
}
