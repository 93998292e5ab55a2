"""The admin port: health, readiness, metrics, version, and the keys of identity tokens.

For operators and probes only; it listens on loopback unless told otherwise, and shows no credential.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from authz import __version__

JWKS_PATH = "/.well-known/jwks.json"

# Much shorter than a new key is published ahead, so that whoever asks in time knows it in time.
_KEYS_HEADERS = {"cache-control": "public, max-age=300"}
_METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"


# Envoy keeps idle connections for an hour; closed before, one may be just when a request is on its way.
BEHIND_ENVOY_S = 3_900

Keys = Callable[[], dict[str, Any]]


def app(
    is_ready: Callable[[], Awaitable[bool]],
    page: Callable[[], Awaitable[bytes]],
    keys: Keys | None = None,
    console: Iterable[Route] = (),
) -> Starlette:
    """The ASGI application. `page` gives the metrics in Prometheus' text format, `keys` a JWK Set."""

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        ready = await is_ready()
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(await page(), media_type=_METRICS_TYPE)

    async def version(_: Request) -> Response:
        return JSONResponse({"version": __version__})

    routes = [Route(f"/{handler.__name__}", handler) for handler in (healthz, readyz, metrics, version)]
    return Starlette(routes=[*routes, *([_jwks(keys)] if keys else ()), *console])


def published(keys: Keys) -> Starlette:
    """Only what workloads need: the public keys."""
    return Starlette(routes=[_jwks(keys)])


def _jwks(keys: Keys) -> Route:
    async def jwks(_: Request) -> Response:
        return JSONResponse(keys(), headers=_KEYS_HEADERS, media_type="application/jwk-set+json")

    return Route(JWKS_PATH, jwks)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What uvicorn leaves open: a whole cluster may ask for keys, and the memory is the authorizer's."""

    connections_max: int = 1_000  # as many as for checks: no mesh has as many gateways
    head_bytes: int = 64 << 10  # of a request's head, as Envoy has it; of all at once 64 MB
    head_s: float = 5.0  # for the first to arrive, and twice that for each after it


BOUNDS = Bounds()


class Server:
    """Serves an ASGI application on HOST:PORT or unix:/path; signals stay with the caller.

    Who asks nothing for `idle_s` is hung up on.
    """

    def __init__(
        self, application: Starlette, address: str, idle_s: int = 5, bounds: Bounds = BOUNDS
    ) -> None:
        self._address = address
        settings = uvicorn.Config(
            application,
            http=_bounded(bounds),
            log_config=None,
            lifespan="off",
            server_header=False,
            timeout_keep_alive=idle_s,
            h11_max_incomplete_event_size=bounds.head_bytes,
        )
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


def _bounded(bounds: Bounds) -> type[H11Protocol]:
    class Bounded(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._stalled: object = None  # the request after which the next is long in coming
            self._looking = self.loop.call_later(bounds.head_s, self._look)
            if len(self.connections) > bounds.connections_max:
                transport.abort()

        def connection_lost(self, exc: Exception | None) -> None:
            self._looking.cancel()
            super().connection_lost(exc)

        def _look(self) -> None:
            done = self.cycle is None or self.cycle.response_complete
            if done and self.timeout_keep_alive_task is None:  # a head has begun, and not ended
                if self._stalled is self.cycle:
                    self.transport.abort()
                    return
                self._stalled = self.cycle
            self._looking = self.loop.call_later(bounds.head_s, self._look)

    return Bounded


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
