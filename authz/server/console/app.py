"""The console's routes: a page, and the four questions that its script asks."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from authz.server.console.view import BadRequest, View

BODY_MAX_BYTES = 64 << 10  # a request with a large token, and no more

_FILES = Path(__file__).parent
_PAGES = {"/": "page.html", "/console.css": "console.css", "/console.js": "console.js"}
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_LOCAL = ("localhost", "127.0.0.1", "[::1]")
# Not all of 127/8: Istio's sidecars hand on what comes from elsewhere as 127.0.0.6.
_NEAR = ("127.0.0.1", "::1")
# What proxies add to what they hand on, and `kubectl port-forward` does not: it moves bytes.
_HANDED_ON = ("forwarded", "via", "x-forwarded-for", "x-forwarded-proto", "x-request-id")

Handler = Callable[[Request], Awaitable[Response]]


def routes(view: View, *, anyone: bool) -> list[Route]:
    """Unless for `anyone`: for callers on this machine, who ask for it by a name of this machine.

    The second keeps a page of somebody else's out whose name has been made to mean 127.0.0.1.
    """

    async def decisions(request: Request) -> Response:
        wanted = (request.query_params.get(name, "") for name in ("id", "after"))
        return JSONResponse(await view.decisions(*wanted))

    async def rules(request: Request) -> Response:
        return JSONResponse(await view.rules(request.query_params.get("q", "")))

    async def sources(_: Request) -> Response:
        return JSONResponse(await view.sources())

    async def explain(request: Request) -> Response:
        return JSONResponse(await view.explain(await _question(request)))

    asked = [Route(f"/{one.__name__}", _guarded(one, anyone=anyone)) for one in (decisions, rules, sources)]
    asked.append(Route("/explain", _guarded(explain, anyone=anyone), methods=["POST"]))
    return [*asked, *(Route(path, _guarded(_file(name), anyone=anyone)) for path, name in _PAGES.items())]


def _guarded(handler: Handler, *, anyone: bool) -> Handler:
    async def guarded(request: Request) -> Response:
        if not (anyone or _is_near(request)):
            return JSONResponse(
                {"error": "The console is for callers on its own machine: port-forward."}, 403
            )
        try:
            response = await handler(request)
        except BadRequest as error:
            response = JSONResponse({"error": str(error)}, 400)
        response.headers.update(_HEADERS)
        return response

    return guarded


def _is_near(request: Request) -> bool:
    """A unix socket has no client: its folder is ours alone."""
    if request.client is None or not request.client.host:
        return True
    if request.client.host not in _NEAR or any(name in request.headers for name in _HANDED_ON):
        return False
    host = request.headers.get("host", "").rpartition(":")
    named = (host[0] if host[2].isdecimal() else "".join(host)).lower()
    return named in _LOCAL


def _file(name: str) -> Handler:
    async def file(_: Request) -> Response:
        return FileResponse(_FILES / name)

    return file


async def _question(request: Request) -> dict[str, object]:
    """A script of another origin can not send this type without being asked first, and is not let."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise BadRequest("content-type: application/json is expected.")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_MAX_BYTES:
            raise BadRequest(f"It is larger than {BODY_MAX_BYTES >> 10} kB.")
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("It is no JSON.") from error
    if not isinstance(found, dict):
        raise BadRequest("An object is expected.")
    return found
