"""Frames to bytes and back (RFC 9113 4 and 6), each in one expression.

Nothing here knows what a frame does to a connection.
"""

from enum import IntEnum
from struct import Struct

from authz.server.h2.faults import Code, ConnectionFault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEAD_BYTES = 9
STREAM_MASK = 0x7FFF_FFFF  # the highest bit is reserved, and ignored


class Kind(IntEnum):
    """RFC 9113 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Setting(IntEnum):
    """RFC 9113 6.5.2."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


# Flags; plain numbers, for they are looked at in every frame.
ACK = END_STREAM = 0x1
END_HEADERS = 0x4
PADDED = 0x8
PRIORITISED = 0x20

# Length and kind in one word, flags, stream.
_head = Struct(">IBI")
unpack_head = _head.unpack_from
pack_head = _head.pack
_word = Struct(">I")
_settings = Struct(">HI")
_goaway = Struct(">II")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """Any frame at all."""
    return pack_head(len(payload) << 8 | kind, flags, stream_id) + payload


def reset(stream_id: int, code: Code) -> bytes:
    """RST_STREAM."""
    return frame(Kind.RST_STREAM, 0, stream_id, _word.pack(code))


def settings(values: dict[Setting, int]) -> bytes:
    """SETTINGS."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(_settings.pack(*item) for item in values.items()))


def ping(opaque: bytes, flags: int = 0) -> bytes:
    """PING, or with the flag ACK its answer."""
    return frame(Kind.PING, flags, 0, opaque)


def goaway(last_id: int, code: Code, text: str = "") -> bytes:
    """GOAWAY."""
    return frame(Kind.GOAWAY, 0, 0, _goaway.pack(last_id, code) + text.encode())


def window_update(stream_id: int, size: int) -> bytes:
    """WINDOW_UPDATE."""
    return frame(Kind.WINDOW_UPDATE, 0, stream_id, _word.pack(size))


SETTINGS_ACK = frame(Kind.SETTINGS, ACK, 0)


def word(payload: bytes) -> int:
    """The 31-bit number that a WINDOW_UPDATE is, or that opens a priority."""
    (number,) = _word.unpack_from(payload)
    return int(number) & STREAM_MASK


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """Identifiers and values in their order, those unknown too."""
    if len(payload) % _settings.size:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "SETTINGS come in sixes")
    return list(_settings.iter_unpack(payload))


def unpad(payload: bytes) -> bytes:
    """What remains of the payload of a padded frame."""
    if not payload:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, "no room for the length of the padding")
    end = len(payload) - payload[0]
    if end < 1:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "more padding than payload")
    return payload[1:end]
