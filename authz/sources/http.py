"""The one HTTP client with which sources are asked: every call is bounded in time, size and reach.

It fetches bytes and understands none of them; whatever goes wrong comes out as `Unavailable`.
"""

import asyncio
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType

import httpx

from authz import __version__
from authz.core.reason import Unavailable

CONNECT_S = 2.0
BODY_MAX_BYTES = 1 << 20  # a large key set has 20 kB
REDIRECTS_MAX = 3
CONNECTIONS_MAX = 100  # each source has at most one call under way
ERROR_MAX_LENGTH = 200  # enough for a resolver's or OpenSSL's sentence
NO_HEADERS: Mapping[str, str] = MappingProxyType({})

_DEFAULT_HEADERS = {
    "accept": "application/json, */*;q=0.1",
    "accept-encoding": "identity",  # a compressed megabyte may hold a gigabyte
    "user-agent": f"authz/{__version__}",
}


class Client:
    """GET with bounds. `plain_http_hosts` may be asked without TLS, as loopback may.

    `ca_file` (PEM) is trusted instead of the system's roots. `transport` stands in for the network.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 5.0,  # a healthy provider answers within one
        plain_http_hosts: frozenset[str] = frozenset(),
        ca_file: Path | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._plain_http_hosts = plain_http_hosts
        self._http = httpx.AsyncClient(
            transport=transport or _network(ca_file),
            trust_env=False,  # a proxy set for other programs must not see whom we trust
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
            headers=_DEFAULT_HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # nothing is kept between calls
        )

    async def get(self, url: str, headers: Mapping[str, str] = NO_HEADERS) -> bytes:
        """The body of a 200 answer. Raises Unavailable, which names the URL without query or userinfo."""
        target = _parse(url)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._follow(target, headers)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ValueError) as error:
            raise Unavailable(f"GET {shown(target)}: {_text(error)}") from error

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        await self._http.aclose()

    async def _follow(self, url: httpx.URL, headers: Mapping[str, str]) -> bytes:
        for _ in range(REDIRECTS_MAX + 1):
            self._permit(url)
            async with self._http.stream("GET", url, headers=headers) as response:
                if response.next_request is None:
                    return await self._body(response)
                url = _same_origin(url, response.next_request.url)
        raise ValueError("too many redirects")

    def _permit(self, url: httpx.URL) -> None:
        if url.userinfo:
            raise ValueError("a URL must not carry credentials")
        if url.scheme != "https" and not (url.scheme == "http" and self._may_be_plain(url.host)):
            raise ValueError("not https")

    def _may_be_plain(self, host: str) -> bool:
        return host in self._plain_http_hosts or _is_loopback(host)

    async def _body(self, response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise ValueError(f"status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("the body is encoded, which was not asked for")
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                raise ValueError(f"the body is longer than {BODY_MAX_BYTES} bytes")
        return bytes(body)


def shown(url: httpx.URL) -> str:
    """What a log may say of a URL: its origin and path, still percent-encoded."""
    path = url.raw_path.partition(b"?")[0]
    return f"{url.scheme}://{url.netloc.decode()}{path.decode()}"


def _network(ca_file: Path | None) -> httpx.AsyncHTTPTransport:
    tls = ssl.create_default_context(cafile=ca_file)
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, keepalive_expiry=30.0)
    return httpx.AsyncHTTPTransport(verify=tls, trust_env=False, limits=limits)


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


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
