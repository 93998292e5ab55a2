"""A client in bytes on a real socket: what no well-behaved client can be made to send."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import hyperframe.frame as hf

from authz.server.h2 import grpc
from authz.server.h2.frames import PREFACE
from authz.server.h2.limits import PREFIX_BYTES
from tests.server.h2 import wire
from tests.server.h2.wire import Frames, Peer
from tests.servers import PATIENCE_S

ECHO = b"echo"
GREETING = PREFACE + wire.settings()


class Raw:
    """A client in bytes on a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.peer = Peer()  # for its encoder
        self.resets = 0

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def request(self, stream_id: int, *fields: tuple[str, str], message: bytes = ECHO) -> bytes:
        head = self.peer.headers(stream_id, [*wire.REQUEST, *fields])
        return head + wire.data(stream_id, grpc.framed(message), "END_STREAM")

    def split(self, stream_id: int, message: bytes, size: int) -> bytes:
        """The same in frames as small as that; grpcio's server knows no padding."""
        block = self.peer.encoder.encode(wire.REQUEST)
        first, second, last = block[:1], block[1:2], block[2:]
        head = wire.headers(stream_id, first) + wire.continuation(stream_id, second)
        body = grpc.framed(message)
        parts = [wire.data(stream_id, body[at : at + size]) for at in range(0, len(body), size)]
        head += wire.continuation(stream_id, last, "END_HEADERS")
        return head + b"".join(parts) + wire.data(stream_id, b"", "END_STREAM")

    async def ask(self, messages: Sequence[bytes]) -> dict[bytes, bytes | None]:
        """All of them at once; the answer to each, None if it was reset."""
        streams = {2 * number + 1: message for number, message in enumerate(messages)}
        block = grpc.block(wire.REQUEST)
        self.send(wire.window_update(0, 1 << 30))
        for stream_id, message in streams.items():
            framed = grpc.framed(message)
            self.send(
                wire.headers(stream_id, block, "END_HEADERS") + wire.data(stream_id, framed, "END_STREAM")
            )
        bodies = dict.fromkeys(streams, b"")
        found: dict[bytes, bytes | None] = {}
        frames = Frames()
        while len(found) < len(streams):
            for frame in frames.read(await asyncio.wait_for(self.reader.read(1 << 16), PATIENCE_S)):
                if frame.type == hf.DataFrame.type:
                    bodies[frame.stream_id] += frame.data
                elif frame.type == hf.RstStreamFrame.type:
                    found[streams[frame.stream_id]] = None
                    self.resets += 1
                elif "END_STREAM" in frame.flags:
                    found[streams[frame.stream_id]] = bodies[frame.stream_id][PREFIX_BYTES:]
        return found

    async def until(self, kind: int, stream_id: int) -> Any:
        """The next frame of that kind on that stream."""
        while True:
            head = await asyncio.wait_for(self.reader.readexactly(9), PATIENCE_S)
            frame, size = hf.Frame.parse_frame_header(memoryview(head))
            frame.parse_body(memoryview(await self.reader.readexactly(size)))
            if (frame.type, frame.stream_id) == (kind, stream_id):
                return frame


@asynccontextmanager
async def client(address: str) -> AsyncIterator[Raw]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(GREETING)
    yield Raw(reader, writer)
    writer.close()
    await writer.wait_closed()
