"""A far end that is a function of the request: stands where the connections to a source would be."""

from collections.abc import Awaitable, Callable, Mapping
from inspect import isawaitable

import httpx
from yarl import URL

from authz.sources.network import Received

Handler = Callable[[httpx.Request], httpx.Response | Awaitable[httpx.Response]]


class FarEnd:
    """`handler` gives the answer, now or later, or raises what a connection raises."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler

    async def send(self, method: str, url: URL, headers: Mapping[str, str], body: bytes) -> Received:
        said = self.handler(httpx.Request(method, str(url), headers=headers, content=body))
        answer = await said if isawaitable(said) else said
        return Received(
            answer.status_code, tuple(answer.headers.multi_items()), answer.aiter_bytes(), lambda: None
        )

    async def close(self) -> None:
        pass
