"""What tests of real servers share: free ports, and waiting until something has happened."""

import asyncio
import socket
import time
from collections.abc import Callable

import httpx

from authz.local.ports import LOOPBACK

PATIENCE_S = 60.0  # for what is to happen; a busy machine is no failure


def until(happened: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not happened():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)


async def eventually(holds: Callable[[], bool]) -> None:
    """The same where others of this process bring it about, and nobody tells of it."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def is_listening(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as held:
        return int(held.getsockname()[1])
