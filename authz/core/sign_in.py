"""Which requests a browser may be sent to sign in for, and where it comes back to.

Only a navigation can follow a redirect to a login: a script would meet CORS, a POST would lose its body,
and a new login cookie for each call would fill the browser's jar.
"""

import re
from urllib.parse import quote

from authz.core.identity import Caller
from authz.core.policy import Session
from authz.core.reason import Reason, Refused
from authz.core.request import Request

RETURN_MAX_LENGTH = 2_048  # the target is kept in a cookie and travels in URLs until the login is over
ACCEPT_MAX_LENGTH = 1_024  # browsers send some 150; to weigh as much as Envoy lets through takes 60 ms
_HTML = frozenset({"text/html", "application/xhtml+xml"})

_authority = re.compile(r"[A-Za-z0-9._-]+(?::[0-9]{1,5})?").fullmatch
# RFC 3986 3.3 and 3.4. WHATWG's parser drops tabs and line feeds and takes `\` for `/`: none may stand here.
_path = re.compile(r"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*").fullmatch
_query = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*").fullmatch
# What a further decoding could take for the start of an authority, or for a way out of the path.
_way_out = re.compile(
    r"(?:/|%2f|\\|%5c)(?:\.|%2e|%09|%0a|%0d|%20)*(?:/|%2f|\\|%5c)|%25|%00", re.IGNORECASE
).search


def origin(request: Request) -> tuple[str, str]:
    """The scheme and host that Envoy saw; Envoy sets `x-forwarded-proto`. Raises Refused(REQUEST_INVALID)."""
    if not _authority(request.host):
        raise Refused(Reason.REQUEST_INVALID)
    return "http" if request.headers.get("x-forwarded-proto") == "http" else "https", request.host


def caller(
    found: Caller | Reason, session: Session, cookies: tuple[str, ...]
) -> tuple[Caller, tuple[str, ...]]:
    """Who is signed in. Raises Refused; a session that has ended may be begun anew."""
    if isinstance(found, Caller):
        return found, cookies
    raise Refused(found, sign_in=session if found is Reason.SESSION_ENDED else None, cookies=cookies)


def navigates(request: Request) -> bool:
    """True for a browser that shows a person the answer: the Fetch Metadata say so, or HTML is preferred."""
    headers = request.headers
    if request.method not in ("GET", "HEAD") or "upgrade" in headers or is_grpc(request):
        return False
    if any(name.startswith("sec-fetch-") for name in headers):
        return headers.get("sec-fetch-mode") == "navigate"
    return "x-requested-with" not in headers and _prefers_html(headers.get("accept", ""))


def is_grpc(request: Request) -> bool:
    """Envoy's own test of the content type; gRPC-Web is not gRPC to it."""
    kind = request.headers.get("content-type", "")
    return kind == "application/grpc" or kind.startswith(("application/grpc+", "application/grpc;"))


def begins(session: Session, request: Request) -> bool:
    """A page of the login itself leads to no other login, or a browser would go round for ever."""
    return navigates(request) and not request.path.startswith(f"{session.prefix}/")


def start(session: Session, request: Request) -> str:
    """The path that begins a login on the request's host, and returns to it."""
    return f"{session.prefix}/start?rd={quote(target(request.path, request.query), safe='')}"


def target(path: str, query: str) -> str:
    """A path of the same host, whatever reads it and however often it is decoded: else only `/`.

    A query of which this is not true is left out; a slash in one is encoded, for oauth2-proxy gives up
    on a target with two of them in a row.
    """
    if not _path(path) or _way_out(path) or len(path) > RETURN_MAX_LENGTH:
        return "/"
    asked = f"{path}?{query.replace('/', '%2F')}" if query and _query(query) else path
    return asked if len(asked) <= RETURN_MAX_LENGTH else path


def _prefers_html(accept: str) -> bool:
    """HTML is named, and nothing is named that is wanted more, nor JSON as much (RFC 9110 12.5.1)."""
    if len(accept) > ACCEPT_MAX_LENGTH:
        return False
    weights = dict(map(_weight, accept.split(",")))
    html = max(weights.get(kind, 0.0) for kind in _HTML)
    others = [weight for kind, weight in weights.items() if kind not in _HTML]
    json = [weight for kind, weight in weights.items() if "json" in kind]
    return html > max(json, default=0.0) and html >= max(others, default=0.0)


def _weight(part: str) -> tuple[str, float]:
    kind, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if found := _q(parameter):
            return kind, float(found[1])
    return kind, 1.0


_q = re.compile(r"q=([01](?:\.[0-9]{0,3})?)").fullmatch
