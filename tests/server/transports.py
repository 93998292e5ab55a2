"""Both transports, and what their common suite needs: a server that is ready, and a provider that is slow."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import httpx

from authz.server import grpcio
from authz.server.h2 import server as h2
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests import idp
from tests.far_end import FarEnd
from tests.server.test_service import POLICY

TRANSPORTS: dict[str, Callable[[Service, str], grpcio.Server | h2.Server]] = {
    "grpcio": grpcio.Server,
    "h2": h2.Server,
}


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(
    transport: Any, line: Service, where: str | None = None
) -> AsyncIterator[tuple[Any, grpc.aio.Channel]]:
    """A server that is ready, and a client of it."""
    where = where or free_address()
    server = transport(line, where)
    await server.start()
    await server.serving(ready=True)
    try:
        async with grpc.aio.insecure_channel(where) as channel:
            yield server, channel
    finally:
        await server.stop()


class Slow:
    """A provider that has been asked, and answers when told to. It is given a good answer then."""

    def __init__(self) -> None:
        self.asked, self.answer = asyncio.Event(), asyncio.Event()
        self.sources = Sources(Client(transport=FarEnd(self._handle)), lambda: 0.0)
        self.line = Service(self.sources, Telemetry(), lambda: idp.NOW)
        self.line.policy = POLICY
        self._good = idp.transport()

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.set()
        await self.answer.wait()
        return self._good.handler(request)  # type: ignore[return-value]  # a plain function there
