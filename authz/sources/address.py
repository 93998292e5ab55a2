"""Where a source is asked: a URL looked at once, for the wire, for the log, and for who may be asked.

It asks nobody.
"""

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Self

import httpx
from yarl import URL

from authz.core.reason import Unavailable


@dataclass(frozen=True, slots=True)
class Address:
    """`sent` is for the wire; `shown` is what a log may say: origin and path, still percent-encoded."""

    url: httpx.URL
    sent: URL
    shown: str

    @classmethod
    def of(cls, url: httpx.URL) -> Self:
        """Raises ValueError."""
        origin, path = f"{url.scheme}://{url.netloc.decode('ascii')}", url.raw_path.decode("ascii")
        # To the letter: to quote it anew would turn `%2C` into a comma, and one group into two.
        return cls(url, URL(origin + path, encoded=True), origin + path.partition("?")[0])

    def redirected(self, location: str) -> Self:
        """Within the origin. Raises ValueError, httpx.InvalidURL."""
        url, target = self.url, self.url.join(location)
        if (target.scheme, target.host, target.port) != (url.scheme, url.host, url.port):
            raise ValueError(f"a redirect to another origin, {target.scheme}://{target.netloc.decode()}")
        return self.of(target)

    def permit(self, plain_http_hosts: frozenset[str]) -> None:
        """These may be asked without TLS, as loopback may. Raises ValueError where it may not be asked."""
        url = self.url
        if url.userinfo:
            raise ValueError("a URL must not carry credentials")
        if url.scheme == "https":
            return
        if url.scheme != "http" or not (url.host in plain_http_hosts or _is_loopback(url.host)):
            raise ValueError("not https")


@lru_cache(256)  # each call asks an address that is configured or was discovered
def parse(text: str) -> Address:
    """An absolute URL. Raises Unavailable, which does not repeat the text: it may hold a password."""
    try:
        address = Address.of(httpx.URL(text))
    except (httpx.InvalidURL, ValueError) as error:
        raise Unavailable("GET: not a URL") from error
    if not address.url.host or (address.url.port or 443) > 65_535:
        raise Unavailable("GET: not a URL with a host and a port that exist")
    return address


@lru_cache(256)
def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761 6.3
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
