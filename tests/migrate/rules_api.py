"""What Oathkeeper's API says of its rules, as long as nothing else is asked of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from authz.local.ports import LOOPBACK
from authz.server.admin import Server
from tests.servers import free_port


@asynccontextmanager
async def knowing(rules: Sequence[Any]) -> AsyncIterator[str]:
    """Its URL. `rules` may change as it runs."""

    async def page(request: Request) -> Response:
        limit, offset = (int(request.query_params[name]) for name in ("limit", "offset"))
        return JSONResponse([{"match": one["spec"]["match"]} for one in rules[offset : offset + limit]])

    port = free_port()
    server = Server(Starlette(routes=[Route("/rules", page)]), f"{LOOPBACK}:{port}")
    await server.start()
    yield f"http://{LOOPBACK}:{port}"
    await server.stop()
