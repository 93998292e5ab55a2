"""The admin port: health, readiness, metrics, version.

For operators and probes only; it listens on loopback unless told otherwise, and shows no credential.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from authz import __version__

_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


def app(is_ready: Callable[[], Awaitable[bool]], page: Callable[[], Awaitable[bytes]]) -> Starlette:
    """The ASGI application. `page` gives the metrics in Prometheus' text format."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        ready = await is_ready()
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(await page(), media_type=_METRICS_TYPE)

    async def version(_: Request) -> Response:
        return JSONResponse({"version": __version__})

    handlers = (healthz, readyz, metrics, version)
    return Starlette(routes=[Route(f"/{handler.__name__}", handler) for handler in handlers])


class Server:
    """Serves an ASGI application on HOST:PORT or unix:/path; signals stay with the caller."""

    def __init__(self, application: Starlette, address: str) -> None:
        self._address = address
        settings = uvicorn.Config(application, log_config=None, lifespan="off", server_header=False)
        self._server = _Quiet(settings)

    async def start(self) -> None:
        """Raises OSError if the address can not be had."""
        self._socket = _listen(self._address)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Finish what is being answered."""
        self._server.should_exit = True
        await self._task
        self._socket.close()


class _Quiet(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(address: str) -> socket.socket:
    if address.startswith("unix:"):
        path = Path(address.removeprefix("unix:"))
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        return listener
    host, _, port = address.rpartition(":")
    try:
        return socket.create_server((host.strip("[]"), int(port)), family=_family(host))
    except OSError as error:
        raise OSError(f"can not listen on {address}: {error.strerror}") from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if host.startswith("[") else socket.AF_INET
