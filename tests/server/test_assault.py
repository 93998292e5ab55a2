"""A real server under hostile clients in bytes: it goes on answering, and its memory stays within bounds."""

import asyncio
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from authz.server.h2 import frames, grpc
from authz.server.h2.frames import END_HEADERS, END_STREAM, PREFACE, Kind, Setting
from tests.server.h2 import wire
from tests.server.test_run import Running, eventually, ready
from tests.server.test_service import ask
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow

CLIENTS = 10  # of each attack
GROWN_MAX_MIB = 60  # ten clients with ten thousand streams each take half of it
GREETING = PREFACE + frames.settings({})
DEAF = PREFACE + frames.settings({Setting.INITIAL_WINDOW_SIZE: 0})
BLOCK = grpc.block(wire.REQUEST)
CALL = frames.frame(Kind.DATA, END_STREAM, 0, grpc.framed(ask("/")))


def heads(number: int) -> bytes:
    return b"".join(frames.frame(Kind.HEADERS, END_HEADERS, 2 * n + 1, BLOCK) for n in range(number))


def given_up(number: int) -> bytes:
    stream_id = 2 * number + 1
    return frames.frame(Kind.HEADERS, END_HEADERS, stream_id, BLOCK) + wire.reset(stream_id)


def calls(number: int) -> bytes:
    """Whole ones, each on its stream."""
    one = bytearray(frames.frame(Kind.HEADERS, END_HEADERS, 0, BLOCK) + CALL)
    second = len(one) - len(CALL) + 5
    parts = []
    for n in range(number):
        one[5:9] = one[second : second + 4] = (2 * n + 1).to_bytes(4, "big")
        parts.append(bytes(one))
    return b"".join(parts)


ATTACKS: dict[str, Callable[[], bytes]] = {
    "another protocol": lambda: b"GET / HTTP/1.1\r\n\r\n" * 1_000,
    "noise": lambda: GREETING + os.urandom(100_000),
    "calls that never end": lambda: GREETING + heads(10_000),
    "bodies in crumbs": lambda: GREETING + heads(1) + wire.data(1, b"xy") * 300_000,
    "a window that never opens": lambda: DEAF + calls(5_000),
    "long words": lambda: GREETING + wire.headers(1, b"\x20" * 16_000, "END_HEADERS") * 10,
    "windows by one": lambda: GREETING + wire.window_update(0, 1) * 100_000,
    "calls given up": lambda: GREETING + b"".join(map(given_up, range(12_000))),
}


async def strike(address: str, sent: bytes) -> None:
    """Send it all, read nothing for a while, and be gone."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    try:
        await asyncio.wait_for(writer.drain(), 2)
        await asyncio.sleep(0.2)
    except (TimeoutError, ConnectionError):
        pass
    writer.transport.abort()


def resident_mib(one: Running) -> float:
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{one.process.pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def test_hostile_clients_harm_no_other(tmp_path):
    async def all_at_once(sent: bytes) -> None:
        await asyncio.gather(*(strike(one.grpc, sent) for _ in range(CLIENTS)))

    one = Running(tmp_path)
    one.configure(log={"decisions": "none"})
    one.start()
    eventually(lambda: ready(one))
    before = resident_mib(one)
    for name, attack in ATTACKS.items():
        asyncio.run(all_at_once(attack()))
        assert one.check(ask("/")) == (200, ""), name
        assert one.check(ask("/", host="other")) == (403, "HOST_UNKNOWN")
        assert resident_mib(one) < before + GROWN_MAX_MIB, name
    one.process.terminate()
    assert one.process.wait(PATIENCE_S) == 0
    assert not any("exception" in line for line in one.lines())
