"""The workload: it answers every request with what it saw of it, so that one can see what reached it.

It decides nothing and trusts nobody: the sidecar in front of it does.
"""

from collections import defaultdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def app(service: str) -> ASGIApp:
    """The ASGI application of one Service."""

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        seen = {"service": service, **describe(Request(scope))}
        await JSONResponse(seen)(scope, receive, send)

    return echo


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
