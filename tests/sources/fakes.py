"""A clock turned by hand and an identity provider that fails on command."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx

from authz.core.reason import Unavailable
from authz.sources.http import Client
from tests import idp
from tests.far_end import FarEnd

OTHER = "https://other.example.com"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Origin:
    """The far end of a `Fetched`: counts its calls, answers or fails, and can be made to wait."""

    def __init__(self, value: Any = "one") -> None:
        self.value = value
        self.error: Exception | None = None
        self.calls = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Any:
        self.calls += 1
        await self.gate.wait()
        if self.error:
            raise self.error
        return self.value

    def fail(self, text: str = "down") -> None:
        self.error = Unavailable(text)


class Provider:
    """An issuer's two documents. `answer` replaces what it says of its keys."""

    def __init__(self, *kids: str) -> None:
        self.publish(*kids)
        self.metadata: dict[str, Any] = {"issuer": idp.ISSUER, "jwks_uri": f"{idp.ISSUER}/keys"}
        self.calls: list[str] = []
        self.client = Client(transport=FarEnd(self._handle))

    def publish(self, *kids: str) -> None:
        """List a key under each of these names."""
        self.say(200, json={"keys": [_key(kid) for kid in kids]})

    def say(self, status: int, **content: Any) -> None:
        """Answer so when asked for keys."""
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(status, **content)

    @property
    def fetches(self) -> int:
        """How often the keys were asked for."""
        return len([path for path in self.calls if path == "/keys"])

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.calls.append(request.url.path)
        if request.url.path == "/keys":
            return self.answer()
        return httpx.Response(200, content=json.dumps(self.metadata))


class TokenIssuer:
    """An introspection endpoint (RFC 7662) and the document that names it: what it was sent, what it knows.

    `answer` replaces what it says of tokens; `gate` makes it wait.
    """

    def __init__(self) -> None:
        self.active: dict[str, dict[str, Any]] = {}
        self.answer: Callable[[httpx.Request], httpx.Response] | None = None
        self.requests: list[httpx.Request] = []
        self.at_once = self.most_at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.client = Client(transport=FarEnd(self._handle))

    def know(self, token: str, **claims: Any) -> None:
        """The token is active, with these claims."""
        self.active[token] = {"active": True, "iss": idp.ISSUER, "sub": "alice"} | claims

    def say(self, status: int = 200, **content: Any) -> None:
        """Answer so, whatever the token."""
        self.answer = lambda _: httpx.Response(status, **content)

    @property
    def calls(self) -> int:
        """How often it was asked about a token."""
        return len(self.requests)

    @property
    def form(self) -> dict[str, list[str]]:
        """What was sent last."""
        return parse_qs(self.requests[-1].content.decode())

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/openid-configuration"):
            metadata = {"issuer": idp.ISSUER, "introspection_endpoint": f"{idp.ISSUER}/introspect"}
            return httpx.Response(200, json=metadata)
        self.requests.append(request)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self.gate.wait()
        finally:
            self.at_once -= 1
        if self.answer:
            return self.answer(request)
        (token,) = parse_qs(request.content.decode())["token"]
        return httpx.Response(200, json=self.active.get(token, {"active": False}))


@dataclass
class Person:
    """Who is signed in, as oauth2-proxy --set-xauthrequest tells it."""

    user: str = "alice"
    email: str = "alice@example.com"
    groups: tuple[str, ...] = ("staff",)


class SignInProxy:
    """oauth2-proxy's `/oauth2/auth`: 202 with headers, 401 or 403. Cookies in `refreshed` get a new one."""

    def __init__(self) -> None:
        self.sessions: dict[str, Person] = {}
        self.refreshed: dict[str, list[str]] = {}
        self.down = 0
        self.requests: list[httpx.Request] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.client = Client(transport=FarEnd(self._handle))

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await self.gate.wait()
        if self.down:
            return httpx.Response(self.down)
        cookie = request.headers.get("cookie", "")
        new = [("set-cookie", value) for value in self.refreshed.pop(cookie, ())]
        person = self.sessions.get(cookie)
        if person is None:
            return httpx.Response(401, headers=new, content=b"Unauthorized")
        asked = request.url.params
        groups, emails = asked.get("allowed_groups", ""), asked.get("allowed_emails", "")
        if groups and not set(groups.split(",")) & set(person.groups):
            return httpx.Response(403, headers=new)
        if emails and person.email not in emails.split(","):
            return httpx.Response(403, headers=new)
        headers = [
            ("x-auth-request-user", person.user),
            ("x-auth-request-email", person.email),
            ("x-auth-request-groups", ",".join(person.groups)),
        ]
        return httpx.Response(202, headers=headers + new, content=b"Accepted")


def _key(kid: str) -> dict[str, str]:
    """A key that nobody can sign with, with a modulus of its own."""
    modulus = b"\xff" + kid.encode().ljust(15) + b"\xff" * 240
    return {"kty": "RSA", "kid": kid, "n": idp.base64url(modulus), "e": "AQAB"}


async def settle() -> None:
    """Let what was started in the background run."""
    for _ in range(20):
        await asyncio.sleep(0)
