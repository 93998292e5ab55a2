"""Where the host of a source is: looked up in a thread of its own, so that silence about one stalls no other.

uvloop has two threads for all names together. Two tenants whose name servers say nothing would keep both.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Thread
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

LookUp = Callable[..., list[tuple[Any, ...]]]  # as socket.getaddrinfo

_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


class Resolver(AbstractResolver):
    """Of one source. aiohttp asks for each of its hosts once at a time, also when nobody waits any more."""

    def __init__(self, look_up: LookUp = socket.getaddrinfo) -> None:
        self._look_up = look_up

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Raises OSError, and UnicodeError for what is no name."""
        ask = partial(self._look_up, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        return [_result(host, found) for found in await _in_thread(ask)]

    async def close(self) -> None:
        """A thread ends by itself, and no end of the process waits for it."""


def _result(host: str, found: tuple[Any, ...]) -> ResolveResult:
    family, _, proto, _, address = found
    return ResolveResult(
        hostname=host, host=address[0], port=address[1], family=family, proto=proto, flags=_NUMERIC
    )


async def _in_thread(ask: Callable[[], list[tuple[Any, ...]]]) -> list[tuple[Any, ...]]:
    found: Future[list[tuple[Any, ...]]] = Future()
    found.set_running_or_notify_cancel()  # who asks may go, and the thread must be able to answer
    Thread(target=_answer, args=(ask, found), name="resolver", daemon=True).start()
    return await asyncio.wrap_future(found)


def _answer(ask: Callable[[], list[tuple[Any, ...]]], found: Future[list[tuple[Any, ...]]]) -> None:
    try:
        found.set_result(ask())
    except (OSError, ValueError) as error:
        found.set_exception(error)
