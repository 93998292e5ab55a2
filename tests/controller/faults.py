"""Between a controller and its API server: slow, refused, cut off, as a test says."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
from aiohttp import web

from authz.controller.kubeconfig import Access

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Proxy:
    """Forwards everything, unless `fault` answers. Watches end in the middle of a line after `cut` bytes."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self.fault: Fault | None = None
        self.cut: int | None = None
        self.cuts = 0

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Access]:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._forward)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        connector = aiohttp.TCPConnector(limit=0, ssl=self._access.tls or True)
        async with aiohttp.ClientSession(connector=connector) as self._session:
            port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
            yield Access(f"http://127.0.0.1:{port}", None, self._access.token)
            await runner.cleanup()
            await self._session.close()
            await asyncio.sleep(0.25)

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        if self.fault and (answer := await self.fault(request)):
            return answer
        headers = {
            name: request.headers[name]
            for name in ("Authorization", "Content-Type")
            if name in request.headers
        }
        url = self._access.server + request.path_qs
        async with self._session.request(
            request.method, url, data=await request.read() or None, headers=headers
        ) as found:
            response = web.StreamResponse(status=found.status, headers={"Content-Type": "application/json"})
            if "Retry-After" in found.headers:
                response.headers["Retry-After"] = found.headers["Retry-After"]
            await response.prepare(request)
            sent = 0
            async for chunk in found.content.iter_any():
                part = chunk
                if self.cut is not None and "watch" in request.query and sent + len(chunk) > self.cut:
                    part = chunk[: max(self.cut - sent, 1)]
                await response.write(part)
                sent += len(part)
                if part is not chunk:
                    self.cuts += 1
                    break
            with contextlib.suppress(ConnectionError):
                await response.write_eof()
            return response


def too_many(every: int) -> Fault:
    """429 for each so-manieth request that writes."""
    turns = itertools.count()

    async def fault(request: web.Request) -> web.StreamResponse | None:
        if request.method == "GET" or next(turns) % every:
            return None
        status = {"kind": "Status", "status": "Failure", "message": "too many requests", "code": 429}
        return web.json_response(status, status=429, headers={"Retry-After": "1"})

    return fault


def slow(seconds: float) -> Fault:
    """Everything but watches takes so much longer."""

    async def fault(request: web.Request) -> web.StreamResponse | None:
        if "watch" not in request.query:
            await asyncio.sleep(seconds)
        return None

    return fault
