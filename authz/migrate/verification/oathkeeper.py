"""A client of Oathkeeper's decisions API: what the old rules say of a request.

Asked as its proxy would have been: the path stands in the URL, which Oathkeeper decodes before it compares,
and the query beside it; of `X-Forwarded-Uri` it would read the path alone, and not decode it.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from types import MappingProxyType
from typing import Any

import aiohttp
from yarl import URL

from authz.migrate.verification.requests import Sent

TIMEOUT_S = 10.0  # it may ask an issuer itself, and retries that for a second or two
AT_ONCE = 32  # decisions under way, as many as we ask an issuer at once
BODY_MAX_BYTES = 1 << 16
PAGE = 500  # rules in one answer, as many as it gives
TRIES = 2  # a kept connection may be closed as it is used

# Said on behalf of the client, or about this connection alone.
_OURS = frozenset({"host", "connection", "content-length", "transfer-encoding"})


class Unreachable(Exception):
    """Oathkeeper did not answer; the message names the address."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`who` answered: Oathkeeper, or the gateway before it. `headers` are what it adds to the request."""

    status: int
    who: str = "Oathkeeper"
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    answered: bool = False

    @property
    def allows(self) -> bool:
        """True if the workload is asked."""
        return self.status == 200 and not self.answered


class Oathkeeper:
    """Make one with `connect`."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self._url = url.rstrip("/").removesuffix("/decisions")
        self._session = session

    async def ask(self, sent: Sent) -> Answer:
        """By the scheme that the request's rule is for: the new rules know none. Raises Unreachable."""
        scheme = "https" if sent.about is None or "https" in sent.about.schemes else "http"
        target = f"{self._url}/decisions{sent.path}{'?' if sent.query else ''}{sent.query}"
        lines = [(name, value) for name, value in sent.lines if not _is_ours(name)]
        forwarded = {"method": sent.method, "proto": scheme, "host": sent.host}
        lines += [(f"x-forwarded-{name}", value) for name, value in forwarded.items()]
        for left in reversed(range(TRIES)):
            try:
                async with self._get(URL(target, encoded=True), lines) as answer:
                    await answer.content.read(BODY_MAX_BYTES)
                    told = {name.lower(): value for name, value in answer.headers.items()}
                    return Answer(answer.status, headers=told)
            except (aiohttp.ClientError, TimeoutError) as error:
                if not left:
                    raise Unreachable(f"{self._url}: {type(error).__name__}") from error
        raise AssertionError

    def _get(self, url: URL, lines: Iterable[tuple[str, str]] = ()) -> AbstractAsyncContextManager[Any]:
        """A redirect is the answer, a refusal: who follows it has the login page, which lets everybody in."""
        return self._session.get(url, headers=list(lines), allow_redirects=False)

    async def is_there(self) -> None:
        """Raises Unreachable where nobody answers, or no Oathkeeper."""
        try:
            async with self._get(URL(f"{self._url}/health/alive")) as answer:
                if answer.status != 200:
                    raise Unreachable(
                        f"{self._url}/health/alive answers {answer.status}: is it Oathkeeper's API?"
                    )
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{self._url}: {type(error).__name__}") from error

    async def rules(self) -> AsyncIterator[Mapping[str, Any]]:
        """All that it has, as its API tells them. Raises Unreachable."""
        for offset in count(0, PAGE):
            page = await self._page(URL(f"{self._url}/rules?limit={PAGE}&offset={offset}"))
            for one in page:
                yield one
            if len(page) < PAGE:
                return

    async def _page(self, url: URL) -> list[Mapping[str, Any]]:
        try:
            async with self._get(url) as answer:
                page = await answer.json() if answer.status == 200 else None
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise Unreachable(f"{self._url}: {type(error).__name__}") from error
        if not isinstance(page, list):
            raise Unreachable(f"{self._url}/rules answers {answer.status}: is it Oathkeeper's API?")
        return page


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Oathkeeper]:
    """With as many connections as are of use."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=AT_ONCE)
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("user-agent", "accept", "accept-encoding"),
        auto_decompress=False,
    ) as session:
        yield Oathkeeper(url, session)


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith("x-forwarded-")
