"""The HTTP client with which a source is asked: every call is bounded in time, size and reach.

It fetches bytes and understands none of them; whatever goes wrong comes out as `Unavailable`.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Self, TypeVar

import httpx
from aiohttp import TraceConfig

from authz import __version__
from authz.core.reason import Unavailable
from authz.sources.network import Network

BODY_MAX_BYTES = 1 << 20  # a large key set has 20 kB
REDIRECTS_MAX = 3
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
        transport: httpx.AsyncBaseTransport | None = None,
        watched: TraceConfig | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._plain_http_hosts = plain_http_hosts
        self._ca_file = ca_file
        self._transport = transport
        self._watched = watched
        self._network = transport or Network(_trusting(ca_file), watched)

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
        target = _parse(url)
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
        target = _parse(url)
        return await self._bounded(method, target, self._once(method, target, headers, body, max_bytes))

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        await self._network.aclose()

    async def _bounded(self, method: str, target: httpx.URL, call: Coroutine[None, None, T]) -> T:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await call
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            raise Unavailable(f"{method} {shown(target)}: {_text(error)}") from error

    async def _once(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes, max_bytes: int
    ) -> Answer:
        response = await self._send(method, url, headers, body)
        try:
            received = await _body(response, max_bytes)
        finally:
            await response.aclose()
        return Answer(response.status_code, tuple(response.headers.multi_items()), received)

    async def _follow(self, url: httpx.URL, headers: Mapping[str, str]) -> bytes:
        for _ in range(REDIRECTS_MAX + 1):
            response = await self._send("GET", url, headers)
            try:
                if not response.has_redirect_location:
                    _check_status(response)
                    return await _body(response, BODY_MAX_BYTES)
            finally:
                await response.aclose()
            url = _same_origin(url, url.join(response.headers["location"]))
        raise ValueError("too many redirects")

    async def _send(
        self, method: str, url: httpx.URL, headers: Mapping[str, str], body: bytes = b""
    ) -> httpx.Response:
        """Without httpx's own client: twice the work, for cookies, proxies and logins that must not be."""
        self._permit(url)
        sent = httpx.Request(method, url, headers={**_DEFAULT_HEADERS, **headers}, content=body or None)
        return await self._network.handle_async_request(sent)

    def _permit(self, url: httpx.URL) -> None:
        if url.userinfo:
            raise ValueError("a URL must not carry credentials")
        if url.scheme != "https" and not (url.scheme == "http" and self._may_be_plain(url.host)):
            raise ValueError("not https")

    def _may_be_plain(self, host: str) -> bool:
        return host in self._plain_http_hosts or _is_loopback(host)


def shown(url: httpx.URL) -> str:
    """What a log may say of a URL: its origin and path, still percent-encoded."""
    path = url.raw_path.partition(b"?")[0]
    return f"{url.scheme}://{url.netloc.decode()}{path.decode()}"


def _check_status(response: httpx.Response) -> None:
    if response.status_code != 200:
        raise ValueError(f"status {response.status_code}")


async def _body(response: httpx.Response, max_bytes: int) -> bytes:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("the body is encoded, which was not asked for")
    body = bytearray()
    async for chunk in response.aiter_bytes():
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


@lru_cache(256)  # each call asks an address that is configured or was discovered
def _parse(text: str) -> httpx.URL:
    """An absolute URL. Raises Unavailable, which does not repeat the text: it may hold a password."""
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise Unavailable("GET: not a URL") from error
    if not url.host or (url.port or 443) > 65_535:
        raise Unavailable("GET: not a URL with a host and a port that exist")
    return url


def _same_origin(url: httpx.URL, target: httpx.URL) -> httpx.URL:
    if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
        raise ValueError(f"a redirect to another origin, {target.scheme}://{target.netloc.decode()}")
    return target


def _text(error: Exception) -> str:
    """A cause in one short line: some are worded by the far end, some have no words."""
    return str(error)[:ERROR_MAX_LENGTH] or type(error).__name__


@lru_cache(256)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
