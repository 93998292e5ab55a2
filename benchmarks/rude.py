"""Clients without manners: each connects, begins something, and is gone without a word.

What they leave behind is the server's to clear away.
"""

import asyncio
import socket
import struct
from collections.abc import Callable

from authz.server import service
from authz.server.h2 import frames, grpc
from authz.server.h2.faults import Code
from authz.server.h2.frames import END_HEADERS, END_STREAM, PREFACE, Kind, Setting

CALLS = 20  # that each leaves unanswered
_BODY = grpc.framed(bytes(60_000))

_GREETING = PREFACE + frames.settings({})
_DEAF = PREFACE + frames.settings({Setting.INITIAL_WINDOW_SIZE: 0})
_BLOCK = grpc.block(
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", service.METHOD),
        (":authority", "authz"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
)


def _head(stream_id: int) -> bytes:
    return frames.frame(Kind.HEADERS, END_HEADERS, stream_id, _BLOCK)


def _call(stream_id: int) -> bytes:
    return _head(stream_id) + frames.frame(Kind.DATA, END_STREAM, stream_id, grpc.framed(b""))


def _each(one: Callable[[int], bytes]) -> bytes:
    return b"".join(one(2 * number + 1) for number in range(CALLS))


WAYS = (
    b"",
    PREFACE[:9],
    _GREETING,
    _GREETING + frames.frame(Kind.HEADERS, 0, 1, _BLOCK[:20]),
    _GREETING + _each(_head),
    _GREETING + _each(lambda n: _head(n) + frames.frame(Kind.DATA, 0, n, _BODY[:16_000])),
    _GREETING + _each(lambda n: _call(n) + frames.reset(n, Code.CANCEL)),
    _GREETING + _each(_call),
    _DEAF + _each(_call),
    _GREETING + frames.frame(Kind.DATA, 0, 0, b"?"),
)


async def visit(host: str, port: int, number: int) -> None:
    """So many of them, each in one of the ways, ten at a time."""
    for turn in range(number // len(WAYS)):
        await asyncio.gather(*(_one(host, port, way, turn % 2 == 0) for way in WAYS))


async def _one(host: str, port: int, sent: bytes, abruptly: bool) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.write(sent)
    await asyncio.sleep(0.05)
    if abruptly:  # with a reset, not an end: RFC 9293 3.5.2
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
