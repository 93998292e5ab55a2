"""Connections to sources, kept by aiohttp: a call costs a tenth of what httpx's own connections take.

httpx looks through all of its connections for each call, so that a slow source with 32 calls under way
takes 1.6 ms of our core for each, and aiohttp 0.2 ms. Its requests and answers stay: they can be faked.
"""

import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientResponse,
    ClientResponseError,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
)
from yarl import URL

CONNECT_S = 2.0
CONNECTIONS_MAX = 1_000  # of one source, which has its own bound on the calls under way
KEEPALIVE_S = 30.0
HEADER_MAX_BYTES = 1 << 16  # one header may list all of a user's groups


class Network(httpx.AsyncBaseTransport):
    """Has no time limit but for connecting; who calls has one for the whole."""

    def __init__(self, tls: ssl.SSLContext, watched: TraceConfig | None = None) -> None:
        self._tls = tls
        self._watched = watched
        self._session: ClientSession | None = None  # made at the first call, for it belongs to a loop

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Raises httpx.TransportError where there is no answer."""
        session = self._session = self._session or _connect(self._tls, self._watched)
        with _translated():
            answer = await session.request(
                request.method,
                _url(request.url),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                skip_auto_headers=("content-type",),
            )
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Calls under way fail."""
        if self._session:
            await self._session.close()


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._answer.content.iter_any():
                yield chunk

    async def aclose(self) -> None:
        self._answer.release()  # the connection is kept only where the answer has been read to its end


def _connect(tls: ssl.SSLContext, watched: TraceConfig | None) -> ClientSession:
    return ClientSession(
        connector=TCPConnector(ssl=tls, limit=CONNECTIONS_MAX, keepalive_timeout=KEEPALIVE_S),
        timeout=ClientTimeout(total=None, sock_connect=CONNECT_S),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trace_configs=[watched] if watched else None,
        max_line_size=HEADER_MAX_BYTES,
        max_field_size=HEADER_MAX_BYTES,
    )


def _url(url: httpx.URL) -> URL:
    """To the letter: to quote it anew would turn `%2C` into a comma, and one group into two."""
    target = f"{url.scheme}://{url.netloc.decode('ascii')}{url.raw_path.decode('ascii')}"
    return URL(target, encoded=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise httpx.TransportError(_text(error) or type(error).__name__) from error


def _text(error: ClientError) -> str:
    """The cause without the URL, whose query may name people."""
    match error:
        case ClientConnectorCertificateError():
            return str(error.certificate_error)
        case ClientConnectorError():
            return str(error.os_error)
        case ClientResponseError():
            return error.message.partition("\n")[0].rstrip(":")
        case _:
            return str(error)
