"""The transport as the composition root sees it: the same face as `grpcio.Server`.

Sockets are opened here; what travels over them is the protocol's.
"""

import asyncio
import contextlib
import random
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from authz.server import service
from authz.server.h2.health import Health
from authz.server.h2.limits import LIMITS, Limits
from authz.server.h2.protocol import Context, Protocol
from authz.server.service import Service
from authz.server.tls import Certificates

TICK_S = 0.5  # between two looks at what is late; finer than any limit in seconds needs
BACKLOG = 1024  # connections not yet accepted; Envoy opens one per worker thread


class Server:
    """Listens from `start` to `stop`; NOT_SERVING until `serving` says otherwise.

    `refused` counts by cause, for telemetry. `uniform` gives random numbers in [0, 1).
    """

    def __init__(
        self,
        answers: Service,
        address: str,
        certificates: Certificates | None = None,
        limits: Limits = LIMITS,
        uniform: Callable[[], float] = random.random,
    ) -> None:
        self.refused: Counter[str] = Counter()
        self._rpc = answers.rpc
        self._address = address
        self._certificates = certificates
        self._limits = limits
        self._uniform = uniform
        self._health = Health(("", service.NAME))

    async def start(self, *, reuse_port: bool = False) -> None:
        """Raises OSError if the address can not be had. With `reuse_port` others may share it."""
        loop = asyncio.get_running_loop()
        self._context = Context(
            rpc=self._rpc,
            path=service.METHOD.encode(),
            health=self._health,
            limits=self._limits,
            loop=loop,
            random=self._uniform,
            count=self._count,
            admits=self._certificates.admits if self._certificates else None,
        )
        listener = listen(self._address, reuse_port=reuse_port)
        tls = self._certificates.context if self._certificates else None
        self._server = await loop.create_server(
            lambda: Protocol(self._context),
            sock=listener,
            ssl=tls,
            backlog=BACKLOG,
            ssl_handshake_timeout=self._limits.preface_s if tls else None,
        )
        self._ticking = loop.create_task(self._tick())

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._context.connections)

    async def serving(self, *, ready: bool) -> None:
        """What health checks are told, for the server and for the service."""
        self._health.set(ready=ready)

    async def stop(self) -> None:
        """Take no new calls, let those in flight finish."""
        self._health.set(ready=False)
        self._server.close()
        for connection in list(self._context.connections):
            connection.drain()
        await self._emptied()
        for connection in list(self._context.connections):
            connection.abort()
        self._ticking.cancel()
        _tidy(self._address)

    def _count(self, cause: str) -> None:
        self.refused[cause] += 1

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for connection in list(self._context.connections):
                connection.tick()

    async def _emptied(self) -> None:
        """Every connection has ended, or its time is up."""
        if self._context.connections:
            timeout_s = self._limits.drain_s + self._limits.linger_s
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._context.empty.wait(), timeout_s)


def listen(address: str, *, reuse_port: bool = False) -> socket.socket:
    """A socket on HOST:PORT or unix:/path. Raises OSError with the address in its text."""
    try:
        if address.startswith("unix:"):
            return _listen_unix(Path(address.removeprefix("unix:")))
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        return socket.create_server((host.strip("[]"), int(port)), family=family, reuse_port=reuse_port)
    except OSError as error:
        raise OSError(f"can not listen on {address}: {error.strerror or error}") from error


def _tidy(address: str) -> None:
    """A Unix socket leaves its name behind."""
    if address.startswith("unix:"):
        Path(address.removeprefix("unix:")).unlink(missing_ok=True)


def _listen_unix(path: Path) -> socket.socket:
    """A socket that nobody listens on any more is in the way; one that is in use is not ours to take."""
    with socket.socket(socket.AF_UNIX) as client:
        if path.is_socket() and client.connect_ex(str(path)):
            path.unlink()
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(str(path))
    except OSError:
        listener.close()
        raise
    return listener
