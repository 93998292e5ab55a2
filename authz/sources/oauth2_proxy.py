"""Asking oauth2-proxy whether a browser is signed in, each set of cookies once in a while.

It is told only what is known here: the session's cookies, and the host and scheme that Envoy saw. What the
client says of itself (`X-Forwarded-Uri`, `X-Auth-Request-Redirect`) does not reach it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from urllib.parse import urlsplit

from authz.core.claims import Claims
from authz.core.identity import Caller
from authz.core.policy import Session
from authz.core.reason import Reason, Unavailable
from authz.core.token import Token
from authz.sources.answers import WAIT_S, Answered, Answers
from authz.sources.fetched import Clock
from authz.sources.gate import Gate
from authz.sources.http import Answer, Client

ANSWER_MAX_BYTES = 1 << 16  # "Accepted", or a page of an error
KEPT_MAX_BYTES = 4 << 20  # of sessions: their headers as they came
_KEPT_EXTRA_BYTES = 300  # of an entry, beside the headers

# What the headers that --set-xauthrequest makes are called among claims (OpenID Connect Core 5.1).
_CLAIMS = {
    "x-auth-request-user": "sub",
    "x-auth-request-email": "email",
    "x-auth-request-groups": "groups",
    "x-auth-request-preferred-username": "preferred_username",
}
_plain = re.compile(r"[\x20-\x7E]+").fullmatch  # Envoy splits a value at a line feed over HTTP/1
_REFUSALS = {401: Reason.SESSION_ENDED, 403: Reason.SESSION_FORBIDDEN}


@dataclass(frozen=True, slots=True)
class Seen:
    """What oauth2-proxy said. `cookies` are for the browser, and are taken out by who hands them on."""

    found: Caller | Reason = field(repr=False)
    cookies: list[str] = field(repr=False)

    def take(self) -> tuple[str, ...]:
        """The `Set-Cookie` values, once."""
        taken = tuple(self.cookies)
        self.cookies.clear()
        return taken


class OAuth2Proxy:
    """One oauth2-proxy. Belongs to one event loop."""

    def __init__(self, accept: Session, client: Client, clock: Clock, wait_s: float = WAIT_S) -> None:
        self.name = accept.oauth2_proxy
        self._client = client.own(plain_http_hosts=frozenset({urlsplit(accept.oauth2_proxy).hostname or ""}))
        self.gate = Gate(self._client, clock, accept.calls)
        self._answers = Answers[Seen](clock, KEPT_MAX_BYTES, wait_s, self.gate.check)

    async def ask(self, cookies: Token, host: str, scheme: str, accept: Session) -> Seen:
        """What it said of these cookies lately. Raises Unavailable."""
        key = _key(cookies, host, scheme, accept)
        held = self._answers.held(key)
        if held is not None:
            return held
        return await self._answers.get(key, lambda: self._ask(cookies, host, scheme, accept))

    async def warm(self) -> None:
        """Nothing is known before a session is asked about."""

    def cancel(self) -> None:
        """Ask no more."""
        self._answers.cancel()

    async def close(self) -> None:
        """Cancel, and close the connections."""
        self.cancel()
        await self._client.close()

    async def _ask(self, cookies: Token, host: str, scheme: str, accept: Session) -> Answered[Seen]:
        uri = accept.question
        headers = {
            "cookie": cookies.text,
            "x-forwarded-host": host,
            "x-forwarded-proto": scheme,
            "x-forwarded-uri": uri,
        }
        answer = await self.gate.ask("GET", accept.oauth2_proxy + uri, headers, max_bytes=ANSWER_MAX_BYTES)
        seen = _read(answer, self.name)
        weight = sum(len(value) for _, value in answer.headers) + _KEPT_EXTRA_BYTES
        return Answered(seen, accept.ttl_s, is_good=isinstance(seen.found, Caller), weight=weight)


def _key(cookies: Token, host: str, scheme: str, accept: Session) -> bytes:
    """Line feeds can stand in none of them."""
    asked = f"{cookies.text}\n{host}\n{scheme}\n{accept.question}\n{accept.ttl_s}"
    return sha256(asked.encode()).digest()


def _read(answer: Answer, name: str) -> Seen:
    """Also of a session that has ended: then the cookie is cleared."""
    cookies = [value for header, value in answer.headers if header == "set-cookie" and _plain(value)]
    if answer.status == 202:
        return Seen(Caller(_claims(answer.headers)), cookies)
    if answer.status in _REFUSALS:
        return Seen(_REFUSALS[answer.status], cookies)
    raise Unavailable(f"{name} answered with status {answer.status}, which is none of 202, 401 and 403")


def _claims(headers: Iterable[tuple[str, str]]) -> Claims:
    """Groups come joined by commas; one that has a comma itself can not be told from two."""
    claims: dict[str, str | list[str]] = {
        _CLAIMS[name]: value for name, value in headers if name in _CLAIMS and value
    }
    if groups := claims.get("groups"):
        claims["groups"] = str(groups).split(",")
    return Claims(frozenset(), 0.0, inf, claims)
