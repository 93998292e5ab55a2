"""`python -m benchmarks.slow_issuer PORT`: takes its time to say that it does not know a token.

A process of its own that costs next to nothing: it shares its core with who measures.
"""

import asyncio
import sys
from typing import cast

import uvloop

from benchmarks.process import LOOPBACK

ANSWER_S = 0.2

_ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\n\r\n{"active": false}'


class _Slow(asyncio.Protocol):
    """One question at a time on a connection, its form in the same few packets as its head."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if b"token=" in self._received.partition(b"\r\n\r\n")[2]:
            self._received = b""
            asyncio.get_running_loop().call_later(ANSWER_S, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(_ANSWER)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Slow, LOOPBACK, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
