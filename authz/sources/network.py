"""Connections to sources, kept by aiohttp: a call costs a tenth of what httpx's own connections take.

httpx looks through all of its connections for each call, so that a slow source with 32 calls under way
takes 1.6 ms of our core for each. Whatever stands in for the network in a test is a `Transport` too.
"""

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from socket import getaddrinfo
from typing import Protocol

from aiohttp import (
    ClientConnectionError,
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TraceConfig,
)
from yarl import URL

from authz.sources.connection import Connector
from authz.sources.resolver import LookUp, Resolver

CONNECT_S = 2.0
CONNECTIONS_MAX = 1_000  # of one source, which has its own bound on the calls under way
KEEPALIVE_S = 30.0
HEADER_MAX_BYTES = 1 << 16  # one header may list all of a user's groups

_SET_BY_CALLER = ("content-type",)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Received:
    """An answer whose body has not been read. Header names are lower-case and may stand several times."""

    status: int
    headers: Headers
    chunks: AsyncIterator[bytes]
    release: Callable[[], object]  # to be called at the end, whether all has been read or not


class Transport(Protocol):
    """One call, as it is. Has no time limit but for connecting; who calls has one for the whole."""

    async def send(self, method: str, url: URL, headers: Mapping[str, str], body: bytes) -> Received:
        """Raises aiohttp.ClientError where there is no answer, as reading `chunks` does."""

    async def close(self) -> None:
        """Calls under way fail."""


class Network:
    """The real one."""

    def __init__(
        self, tls: ssl.SSLContext, watched: TraceConfig | None = None, look_up: LookUp = getaddrinfo
    ) -> None:
        self._connect = partial(_connect, tls, watched, look_up)
        self._session: ClientSession | None = None  # made at the first call, for it belongs to a loop
        self._closed = False

    async def send(self, method: str, url: URL, headers: Mapping[str, str], body: bytes) -> Received:
        """Raises aiohttp.ClientError."""
        if self._closed:
            raise ClientConnectionError("it is asked no more")
        session = self._session = self._session or self._connect()
        answer = await session.request(
            method,
            url,
            headers=headers,
            data=body or None,
            allow_redirects=False,
            skip_auto_headers=_SET_BY_CALLER,
        )
        # Released, a connection is kept only where the answer has been read to its end.
        return Received(
            answer.status, _decoded(answer.raw_headers), answer.content.iter_any(), answer.release
        )

    async def close(self) -> None:
        """Calls under way fail."""
        self._closed = True
        if self._session:
            await self._session.close()


def cause(error: Exception) -> str:
    """Without the URL, whose query may name people; some have no words."""
    match error:
        case ClientConnectorCertificateError():
            text = str(error.certificate_error)
        case ClientConnectorError():
            text = str(error.os_error)
        case ClientResponseError():
            text = error.message.partition("\n")[0].partition(":")[0]  # what comes then is the answer's own
        case _:
            text = str(error)
    return text or type(error).__name__


def _connect(tls: ssl.SSLContext, watched: TraceConfig | None, look_up: LookUp) -> ClientSession:
    resolver = Resolver(look_up)
    return ClientSession(
        connector=Connector(ssl=tls, limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S, resolver=resolver),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[watched] if watched else None,
        max_line_size=HEADER_MAX_BYTES,
        max_field_size=HEADER_MAX_BYTES,
    )


def _decoded(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    return tuple((_text(name).lower(), _text(value)) for name, value in raw)


def _text(raw: bytes) -> str:
    """RFC 9110 5.5: what is not ASCII has no meaning of its own; oauth2-proxy writes names in UTF-8."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
