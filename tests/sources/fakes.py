"""A clock turned by hand and an identity provider that fails on command."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx

from authz.core.reason import Unavailable
from authz.sources.http import Client
from tests import idp

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
        self.client = Client(transport=httpx.MockTransport(self._handle))

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


def _key(kid: str) -> dict[str, str]:
    """A key that nobody can sign with, with a modulus of its own."""
    modulus = b"\xff" + kid.encode().ljust(15) + b"\xff" * 240
    return {"kty": "RSA", "kid": kid, "n": idp.base64url(modulus), "e": "AQAB"}


async def settle() -> None:
    """Let what was started in the background run."""
    for _ in range(20):
        await asyncio.sleep(0)
