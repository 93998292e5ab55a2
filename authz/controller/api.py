"""The API server over HTTP: JSON in and out, connections kept, at most so many requests at once.

It only carries: what a refusal means is for its callers, but all of them wait while the server is in trouble.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from authz.controller.decoding import decoded, encoded
from authz.controller.kinds import Document, Kind, key
from authz.controller.kubeconfig import Access

FIELD_MANAGER = "authz-controller"

CONNECTIONS = 16  # requests under way: two cores of API server and etcd are busy with fewer
TIMEOUT_S = 4.0  # of a request; a leader's last one has ended before another can lead
PAUSE_MIN_S = 0.05
PAUSE_MAX_S = 2.0  # between attempts at a server that is not there: it starts in two seconds
RETRY_AFTER_MAX_S = 30.0  # whatever the server asks for
CLOSING_S = 0.25  # for TLS to say goodbye (aiohttp, "Graceful shutdown")
LINE_MAX_BYTES = 8 << 20  # etcd holds 1.5 MiB an object; JSON takes more

_JSON = "application/json"
_METHODS = {  # of each verb, and what its body is
    "get": ("GET", _JSON),
    "list": ("GET", _JSON),
    "create": ("POST", _JSON),
    "update": ("PUT", _JSON),
    "apply": ("PATCH", "application/apply-patch+yaml"),
    "patch": ("PATCH", "application/merge-patch+json"),
    "delete": ("DELETE", _JSON),
}

_TROUBLE = frozenset({429, 502, 503, 504})  # 500 is the object's: a webhook is down, etcd finds it too large
_OVERLOADED = frozenset({429, 503})

_Answer = tuple[int, Mapping[str, str], bytes]  # status, headers, body


class Refused(Exception):
    """The API server's answer: it will be the same until something changes."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Unreachable(Exception):
    """No answer, or one that says to come again."""


class Silent(Unreachable):
    """Not a byte, where there should have been some."""


class NotLeading(Exception):
    """Somebody else may be writing by now."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    verb: str
    kind: Kind
    path: str
    query: Mapping[str, str] | None = None
    body: Document | None = None

    @property
    def writes(self) -> bool:
        """True unless it only reads."""
        return self.verb not in ("get", "list")


class Api:
    """One for all that asks, made and closed in one loop. Nothing is written unless `may_write`."""

    def __init__(
        self, access: Access, connections: int = CONNECTIONS, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        self._access = access
        self._may_write = may_write
        self._connector = aiohttp.TCPConnector(limit=0, ssl=access.tls or True)
        self._session = aiohttp.ClientSession(connector=self._connector, cookie_jar=aiohttp.DummyCookieJar())
        self._slots = asyncio.Semaphore(connections)
        self.requests: dict[tuple[str, str, str], int] = {}  # verb, plural and status, counted
        self._under_way = set[asyncio.Task[_Answer]]()
        self._failures = 0
        self._resume_at_s = 0.0

    async def rest(self) -> None:
        """Until no request is under way: what has been sent may be executed, whoever waits for it."""
        if self._under_way:
            await asyncio.wait(self._under_way)

    async def close(self) -> None:
        """End every request."""
        await self._session.close()
        await asyncio.sleep(CLOSING_S)

    async def get(self, kind: Kind, key: str) -> Document:
        """Raises Refused with 404 if there is none."""
        return await self.send(Call("get", kind, kind.at(key)))

    async def list(self, kind: Kind, query: Mapping[str, str]) -> Document:
        """One page of all that are selected."""
        return await self.send(Call("list", kind, kind.path(kind.namespace), query))

    async def create(self, kind: Kind, document: Document) -> Document:
        """Raises Refused with 409 if it is there."""
        path = kind.path(document["metadata"]["namespace"])
        return await self.send(Call("create", kind, path, body=document))

    async def apply(self, kind: Kind, document: Document) -> Document:
        """Server-side apply: our fields become what is said here, whoever has them."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self.send(Call("apply", kind, kind.at(key(document)), query, document))

    async def merge(self, kind: Kind, key: str, changes: Document, sub: str = "") -> Document:
        """RFC 7396: null takes a field away."""
        query = {"fieldManager": FIELD_MANAGER}
        return await self.send(Call("patch", kind, kind.at(key, sub), query, changes))

    async def replace(self, kind: Kind, document: Document) -> Document:
        """Raises Refused with 409 if it has changed since it was read."""
        return await self.send(Call("update", kind, kind.at(key(document)), body=document))

    async def delete(self, kind: Kind, key: str, version: str = "") -> Document:
        """What is left of it, if others have finalizers on it. Raises Refused with 404 if there is none.

        With a `version` also with 409, if it has changed since it was read.
        """
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"resourceVersion": version}}
        return await self.send(Call("delete", kind, kind.at(key), body=options if version else None))

    async def send(self, call: Call) -> Document:
        """Raises Refused, Unreachable or NotLeading."""
        async with self._slots:
            await self._patience()
            try:
                exchange = self._begun(call, await self._access.headers())  # a program may take its time
                status, headers, raw = await asyncio.shield(exchange)
                answer = decoded(raw)
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
                self._count(call, "error")
                if not isinstance(error, TimeoutError):  # one slow webhook is nobody else's trouble
                    self._trouble()
                raise Unreachable(f"{call.verb} {call.path}: {error or type(error).__name__}") from error
        self._count(call, str(status))
        return self._judged(status, headers, answer)

    async def lines(self, kind: Kind, query: Mapping[str, str], quiet_s: float) -> AsyncIterator[bytes]:
        """Of a watch. Ends with the connection; raises Unreachable also after so long without a byte."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=quiet_s)
        try:
            async with self._session.get(
                self._access.server + kind.path(kind.namespace),
                params=query,
                headers=await self._access.headers(),
                timeout=timeout,
            ) as response:
                if response.status == 500:
                    raise Unreachable(f"watch of {kind.plural}: {response.status}")
                if response.status != 200:
                    raw = await response.content.read(LINE_MAX_BYTES)
                    self._judged(response.status, response.headers, decoded(raw))
                async for line in _split(response.content.iter_any()):
                    yield line
        except TimeoutError as error:
            raise Silent(f"watch of {kind.plural}: {error or type(error).__name__}") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise Unreachable(f"watch of {kind.plural}: {error or type(error).__name__}") from error

    def _begun(self, call: Call, headers: dict[str, str]) -> asyncio.Task[_Answer]:
        if call.writes and not self._may_write():
            raise NotLeading(f"{call.verb} {call.path}")
        self._under_way.add(exchange := asyncio.create_task(self._exchange(call, headers)))
        exchange.add_done_callback(self._ended)
        return exchange

    async def _exchange(self, call: Call, headers: dict[str, str]) -> _Answer:
        method, headers["content-type"] = _METHODS[call.verb]
        body = None if call.body is None else encoded(call.body)
        query = {**(call.query or {}), "timeout": f"{TIMEOUT_S:g}s"}  # the server gives up when we do
        url = self._access.server + call.path
        async with (
            asyncio.timeout(TIMEOUT_S),
            self._session.request(method, url, params=query, data=body, headers=headers) as response,
        ):
            return response.status, response.headers, await response.read()

    def _ended(self, exchange: asyncio.Task[_Answer]) -> None:
        self._under_way.discard(exchange)
        if not exchange.cancelled():
            exchange.exception()  # it may be that nobody waits any more

    def _count(self, call: Call, outcome: str) -> None:
        counted = call.verb, call.kind.plural, outcome
        self.requests[counted] = self.requests.get(counted, 0) + 1

    def _judged(self, status: int, headers: Mapping[str, str], answer: Any) -> Document:
        document: Document = answer if isinstance(answer, dict) else {}
        if status < 300:
            self._failures = 0
            return document
        if status == 401:
            self._access.refused()
        message = str(document.get("message", "")) or "no reason given"
        if status not in _TROUBLE:
            self._failures = 0
            raise Refused(status, message)
        if status in _OVERLOADED:
            self._trouble(headers.get("Retry-After", ""))
        raise Unreachable(f"{status}: {message}")

    def _trouble(self, retry_after: str = "") -> None:
        """Full jitter: those who wait do not come back together."""
        self._failures += 1
        longest_s = min(PAUSE_MAX_S, PAUSE_MIN_S * 2 ** min(self._failures, 10))
        pause_s = random.uniform(0, longest_s)  # noqa: S311 - not a secret
        if retry_after.isdecimal():
            pause_s += min(float(retry_after), RETRY_AFTER_MAX_S)
        now_s = asyncio.get_running_loop().time()
        self._resume_at_s = max(self._resume_at_s, now_s + pause_s)

    async def _patience(self) -> None:
        while (left_s := self._resume_at_s - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - it may be put off
            await asyncio.sleep(left_s)


async def _split(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines only: the rest of a stream that breaks off is no event."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *whole, rest = chunk.split(b"\n")
        if whole:
            yield b"".join([*parts, whole[0]])
            for line in whole[1:]:
                yield line
            parts = []
        parts.append(rest)
        if sum(map(len, parts)) > LINE_MAX_BYTES:
            raise ValueError(f"a line is longer than {LINE_MAX_BYTES} bytes")
