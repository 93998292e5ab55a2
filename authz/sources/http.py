"""The HTTP client with which a source is asked: every call is bounded in time, size and reach.

It fetches bytes and understands none of them; whatever goes wrong comes out as `Unavailable`.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

import httpx
from aiohttp import ClientError, TraceConfig

from authz import __version__
from authz.core.reason import Unavailable
from authz.sources import address
from authz.sources.address import Address
from authz.sources.network import Network, Received, Transport, cause

BODY_MAX_BYTES = 1 << 20  # a large key set has 20 kB
REDIRECTS_MAX = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
ERROR_MAX_LENGTH = 200  # enough for a resolver's or OpenSSL's sentence
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

T = TypeVar("T")

_DEFAULT_HEADERS = {
    "accept": "application/json, */*;q=0.1",
    "accept-encoding": "identity",  # a compressed megabyte may hold a gigabyte
    "user-agent": f"authz/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said, whatever it was. Header names are lower-case and may stand several times."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)


class Client:
    """Calls with bounds. `plain_http_hosts` may be asked without TLS, as loopback may.

    `ca_file` (PEM) is trusted instead of the system's roots. `transport` stands in for the network,
    `watched` is told of each call.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 5.0,  # a healthy provider answers within one
        plain_http_hosts: frozenset[str] = frozenset(),
        ca_file: Path | None = None,
        transport: Transport | None = None,
        watched: TraceConfig | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._plain_http_hosts = plain_http_hosts
        self._ca_file = ca_file
        self._transport = transport
        self._watched = watched
        self._network: Transport = transport or Network(_trusting(ca_file), watched)

    def own(
        self, plain_http_hosts: frozenset[str] = frozenset(), cert: tuple[Path, Path] | None = None
    ) -> Self:
        """Another one with its own connections, so that who asks one source never waits for another.

        `cert` is a certificate and its key, PEM, to show. Raises OSError if they can not be used.
        """
        showing = Network(_showing(self._ca_file, *cert), self._watched) if cert else None
        return type(self)(
            timeout_s=self.timeout_s,
            plain_http_hosts=self._plain_http_hosts | plain_http_hosts,
            ca_file=self._ca_file,
            transport=self._transport or showing,
            watched=self._watched,
        )

    async def get(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """The body of a 200 answer. Raises Unavailable, which names the URL without query or userinfo."""
        target = address.parse(url)
        return await self._bounded("GET", target, self._follow(target, headers))

    async def ask(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        max_bytes: int = BODY_MAX_BYTES,
    ) -> Answer:
        """One call, its answer as it is; no redirect is followed. Raises Unavailable where there is none."""
        target = address.parse(url)
        return await self._bounded(method, target, self._once(method, target, headers, body, max_bytes))

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        await self._network.close()

    async def _bounded(self, method: str, target: Address, call: Coroutine[None, None, T]) -> T:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await call
        except (TimeoutError, ClientError, httpx.InvalidURL, ValueError) as error:
            raise Unavailable(f"{method} {target.shown}: {cause(error)[:ERROR_MAX_LENGTH]}") from error

    async def _once(
        self, method: str, target: Address, headers: Mapping[str, str], body: bytes, max_bytes: int
    ) -> Answer:
        received = await self._send(method, target, headers, body)
        try:
            return Answer(received.status, received.headers, await _body(received, max_bytes))
        finally:
            received.release()

    async def _follow(self, target: Address, headers: Mapping[str, str]) -> bytes:
        for _ in range(REDIRECTS_MAX + 1):
            received = await self._send("GET", target, headers)
            try:
                location = _location(received)
                if location is None:
                    return await _body(received, BODY_MAX_BYTES)
            finally:
                received.release()
            target = target.redirected(location)
        raise ValueError("too many redirects")

    async def _send(
        self, method: str, target: Address, headers: Mapping[str, str], body: bytes = b""
    ) -> Received:
        target.permit(self._plain_http_hosts)
        return await self._network.send(method, target.sent, {**_DEFAULT_HEADERS, **headers}, body)


def _location(received: Received) -> str | None:
    """Where a redirect leads; None of a 200. Raises ValueError for all others."""
    if received.status in _REDIRECTS:
        for name, value in received.headers:
            if name == "location":
                return value
    if received.status != 200:
        raise ValueError(f"status {received.status}")
    return None


async def _body(received: Received, max_bytes: int) -> bytes:
    if any(name == "content-encoding" and value != "identity" for name, value in received.headers):
        raise ValueError("the body is encoded, which was not asked for")
    body = bytearray()
    async for chunk in received.chunks:
        body += chunk
        if len(body) > max_bytes:
            raise ValueError(f"the body is longer than {max_bytes} bytes")
    return bytes(body)


@lru_cache(1)
def _trusting(ca_file: Path | None) -> ssl.SSLContext:
    """Shared by all clients of a process: the system's roots take a megabyte."""
    return ssl.create_default_context(cafile=ca_file)


def _showing(ca_file: Path | None, cert_file: Path, key_file: Path) -> ssl.SSLContext:
    tls = ssl.create_default_context(cafile=ca_file)
    tls.load_cert_chain(cert_file, key_file)
    return tls
