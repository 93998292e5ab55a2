"""What a client must know to get a token for a resource: protected resource metadata (RFC 9728).

Made from the rules of a host. It opens nothing, for the workload is never asked for it.
"""

import json
import re
from collections.abc import Iterable, Iterator

from authz.core import path as paths
from authz.core import route
from authz.core.decision import Answer
from authz.core.policy import Host, Policy, Rule, Session
from authz.core.reason import Reason, Refused
from authz.core.request import Request

WELL_KNOWN = "/.well-known/oauth-protected-resource"  # RFC 9728 3
METHODS = ("GET", "HEAD")

CHALLENGED_MAX_LENGTH = 1_024  # of a path in a challenge; one that is longer is described with its host

_authority = re.compile(r"[a-z0-9._-]+(?::[0-9]{1,5})?").fullmatch
_local = re.compile(r"(?:.*\.)?localhost(?::.*)?").fullmatch
_quotable = re.compile(r"/[A-Za-z0-9\-._~!$&'()*+,;=:@%/]*").fullmatch  # RFC 3986 3.3: no quotation marks
_url = re.compile(r"https?://[!-~]+").fullmatch


def answer(policy: Policy, request: Request) -> Answer | None:
    """The document, where the request is for one; None for every other.

    Raises Refused: RESOURCE_UNPROTECTED, PATH_AMBIGUOUS, REQUEST_INVALID or HOST_UNKNOWN.
    """
    if not request.path.startswith(WELL_KNOWN):
        return None
    suffix = request.path.removeprefix(WELL_KNOWN)
    if suffix[:1] not in ("", "/") or request.method not in METHODS:
        return None
    host = route.host(policy, request.host)
    if not host.is_described:
        return None
    if host.rejects_ambiguous and paths.is_ambiguous(request.path):
        raise Refused(Reason.PATH_AMBIGUOUS)
    if len(request.path) > route.PATH_MAX_LENGTH or not _origin(request):
        raise Refused(Reason.REQUEST_INVALID)
    return Answer(Reason.RESOURCE_DESCRIBED, json.dumps(_document(host, request, _bare(suffix))))


def url(policy: Policy, rule: Rule | None, request: Request) -> str:
    """Where a challenge says that the resource is described (RFC 9728 5.1); "" if it is nowhere."""
    if rule is None or not _servers([rule]) or not route.host(policy, request.host).is_described:
        return ""
    origin, path = _origin(request), _bare(request.path)
    short = len(path) <= CHALLENGED_MAX_LENGTH and _quotable(path)
    return f"{origin}{WELL_KNOWN}{path if short else ''}" if origin else ""


def _document(host: Host, request: Request, path: str) -> dict[str, object]:
    """RFC 9728 2 and 3.2: what is empty is left out."""
    rules = tuple(_deciding(host, path)) if path else host.rules
    if not (servers := _servers(rules)):
        raise Refused(Reason.RESOURCE_UNPROTECTED)
    scopes = sorted({scope for rule in rules for check in rule.checks for scope in check.scopes})
    document: dict[str, object] = {
        "resource": _origin(request) + path,
        "authorization_servers": servers,
        "bearer_methods_supported": ["header"],
    }
    return document | ({"scopes_supported": scopes} if scopes else {})


def _deciding(host: Host, path: str) -> Iterator[Rule]:
    """The rules that decide requests for this path, whatever their method."""
    claimed: set[str] = set()
    for rule in host.rules:
        if not rule.methods <= claimed and rule.path.matches(path):
            claimed |= rule.methods
            yield rule


def _servers(rules: Iterable[Rule]) -> list[str]:
    """The issuers of the tokens that these rules accept, in the order in which they are tried."""
    accepted = (accept for rule in rules for check in rule.checks for accept in check.authorizer.accept)
    issuers = dict.fromkeys(one.issuer for one in accepted if not isinstance(one, Session))
    return [issuer for issuer in issuers if _url(issuer)]


def _origin(request: Request) -> str:
    """As the client sees it: always TLS (RFC 9728 3), except where a laptop has none; "" if it is odd."""
    authority = request.host.lower()
    if not _authority(authority):
        return ""
    return f"{'http' if _local(authority) else 'https'}://{authority}"


def _bare(path: str) -> str:
    """RFC 9728 3.1: the host alone stands without a slash at its end."""
    return "" if path == "/" else path
