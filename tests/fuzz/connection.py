"""Random bytes for a connection.

Whatever comes, nothing is raised, and what goes out are frames.
"""

from authz.server.h2 import grpc
from authz.server.h2.connection import Connection
from authz.server.h2.frames import PREFACE, SETTINGS_ACK, settings
from authz.server.h2.limits import LIMITS
from authz.server.h2.streams import Asked

GREETING = PREFACE + settings({}) + SETTINGS_ACK


def one(data: bytes) -> None:
    """The first byte says whether to greet, and how the rest is cut."""
    connection = Connection(LIMITS, 0.0, lambda _: None)
    cut = 1 + (data[0] >> 1) if data else 1
    sent = (GREETING if data[:1] and data[0] & 1 else b"") + data[1:]
    for at in range(0, len(sent), cut):
        for event in connection.receive(sent[at : at + cut], 0.0):
            if isinstance(event, Asked):
                connection.answer(event.stream_id, grpc.HEAD, grpc.framed(event.body), grpc.OK)
        check(connection.take())
    connection.tick(LIMITS.body_s + 1)


def check(out: bytes) -> None:
    """Whole frames on streams that exist."""
    while out:
        size = 9 + int.from_bytes(out[:3], "big")
        if len(out) < size or out[3] > 9 or out[5] & 0x80:
            raise AssertionError(out[:20])
        out = out[size:]
