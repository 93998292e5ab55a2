"""A client in bytes: what it sends, and what it reads of the answers, by hyperframe and hpack alone."""

from collections import Counter
from typing import Any

import hyperframe.frame as hf
from hpack import Decoder, Encoder

from authz.server.h2.connection import Connection
from authz.server.h2.faults import Cause
from authz.server.h2.frames import PREFACE
from authz.server.h2.limits import LIMITS, Limits
from authz.server.h2.streams import Asked, Event

PATH = "/envoy.service.auth.v3.Authorization/Check"
REQUEST = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", PATH),
    (":authority", "authz"),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
]
HEAD, TAIL = b"\x88", b"\x00\x0bgrpc-status\x010"


class Frames:
    """Reads frames from bytes cut anywhere."""

    def __init__(self) -> None:
        self._left = b""

    def read(self, data: bytes) -> list[Any]:
        """Those that are whole."""
        left, found = memoryview(self._left + data), []
        while len(left) >= 9:
            frame, size = hf.Frame.parse_frame_header(left[:9])
            if len(left) < 9 + size:
                break
            frame.parse_body(left[9 : 9 + size])
            left = left[9 + size :]
            found.append(frame)
        self._left = bytes(left)
        return found


class Peer:
    """A connection and the client at its other end. `now` moves when told to."""

    def __init__(self, limits: Limits = LIMITS, *, greet: bool = True) -> None:
        self.now = 86_400.0  # of a clock that runs for long
        self.refused: Counter[Cause] = Counter()
        self.connection = Connection(limits, self.now, lambda cause: self.refused.update([cause]))
        self.events: list[Event] = []
        self.frames: list[Any] = []
        self.encoder, self._decoder = Encoder(), Decoder()
        self._reader = Frames()
        if greet:
            self.send(PREFACE + hf.SettingsFrame(0).serialize())
            self.frames.clear()

    def send(self, data: bytes) -> list[Any]:
        """Bytes, and the frames that they are answered with."""
        self.events += self.connection.receive(data, self.now)
        return self.read()

    def tick(self, seconds: float) -> list[Any]:
        """Time passes."""
        self.now += seconds
        self.events += self.connection.tick(self.now)
        return self.read()

    def read(self) -> list[Any]:
        """What is there to be read."""
        found = self._reader.read(self.connection.take())
        self.frames += found
        return found

    def headers(self, stream_id: int, fields: Any = REQUEST, *flags: str) -> bytes:
        """A HEADERS frame, complete."""
        return headers(stream_id, self.encoder.encode(fields), "END_HEADERS", *flags)

    def request(self, stream_id: int, body: bytes = b"") -> bytes:
        """A whole one."""
        return self.headers(stream_id) + data(stream_id, body, "END_STREAM")

    @property
    def asked(self) -> list[tuple[int, bytes]]:
        """Stream and body of each request so far."""
        return [(event.stream_id, event.body) for event in self.events if isinstance(event, Asked)]

    @property
    def paths(self) -> set[bytes]:
        """Of the requests so far."""
        return {event.call.path for event in self.events if isinstance(event, Asked)}

    def goaway(self) -> int | None:
        """The code by which the connection ended, if it did."""
        codes = [frame.error_code for frame in self.frames if isinstance(frame, hf.GoAwayFrame)]
        return codes[-1] if codes and self.connection.ended else None

    def resets(self) -> list[tuple[int, int]]:
        """Stream and code of each RST_STREAM."""
        return [(f.stream_id, f.error_code) for f in self.frames if isinstance(f, hf.RstStreamFrame)]


def headers(stream_id: int, block: bytes, *flags: str) -> bytes:
    return hf.HeadersFrame(stream_id, block, flags=flags).serialize()


def continuation(stream_id: int, block: bytes, *flags: str) -> bytes:
    return hf.ContinuationFrame(stream_id, block, flags=flags).serialize()


def data(stream_id: int, body: bytes, *flags: str) -> bytes:
    return hf.DataFrame(stream_id, body, flags=flags).serialize()


def settings(**values: int) -> bytes:
    numbers = {getattr(hf.SettingsFrame, name): value for name, value in values.items()}
    return hf.SettingsFrame(0, numbers).serialize()


def window_update(stream_id: int, size: int) -> bytes:
    return hf.WindowUpdateFrame(stream_id, size).serialize()


def reset(stream_id: int, code: int = 8) -> bytes:
    return hf.RstStreamFrame(stream_id, code).serialize()


def ping(opaque: bytes = b"12345678", *flags: str) -> bytes:
    return hf.PingFrame(0, opaque, flags=flags).serialize()


def raw(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Any frame at all, right or wrong."""
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream_id.to_bytes(4, "big") + payload
