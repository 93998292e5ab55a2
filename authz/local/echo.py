"""The workload: it answers every request with what it saw of it, so that one can see what reached it.

It decides nothing and trusts nobody: the sidecar in front of it does.
"""

from collections import defaultdict
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"]


def app(service: str) -> Starlette:
    """The ASGI application of one Service."""

    async def echo(request: Request) -> JSONResponse:
        return JSONResponse({"service": service, **describe(request)})

    return Starlette(routes=[Route("/{path:path}", echo, methods=METHODS)])


def describe(request: Request) -> dict[str, Any]:
    """Method, path and query as they were sent, and the headers: a list where one was repeated."""
    headers: dict[str, list[str]] = defaultdict(list)
    for name, value in request.headers.items():
        headers[name].append(value)
    return {
        "method": request.method,
        "path": request.scope["raw_path"].decode("latin-1"),
        "query": request.scope["query_string"].decode("latin-1"),
        "headers": {name: values if len(values) > 1 else values[0] for name, values in headers.items()},
    }
