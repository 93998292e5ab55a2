"""One program under our care: its lines are read as they come, and it never outlives us.

Linux ends it when we die, however we die; elsewhere it is ended when we stop in good order.
"""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT
from asyncio.subprocess import Process as Child
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Self

import httpx

from authz.local.failure import CannotRun

READY_S = 20.0  # two on an ordinary machine; importing Python's modules is most of it
POLL_S = 0.1  # a start takes a second or two, so that nobody notices a tenth
GRACE_S = 5.0  # Envoy and the authorizer drain in less than a second
LINES_KEPT = 20  # shown when it fails
LINE_MAX_BYTES = 1 << 20  # Envoy quotes whole configurations in its complaints

NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
_PR_SET_PDEATHSIG = 1


class Process:
    """A running program. Make one with `start`."""

    def __init__(self, name: str, child: Child, heard: Callable[[str], None]) -> None:
        self.name = name
        self._child = child
        self._lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._stopping = False
        self._reading = asyncio.create_task(self._read(heard))

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str],
        heard: Callable[[str], None],
        environment: Mapping[str, str] = NOTHING_MORE,
    ) -> Self:
        """Run it. `heard` gets each line that it writes to standard output or error.

        The environment is ours and more: what a command line would show to everyone.
        """
        child = await asyncio.create_subprocess_exec(
            *command,
            stdout=PIPE,
            stderr=STDOUT,
            limit=LINE_MAX_BYTES,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C is ours to handle: it stops the parts in order
            preexec_fn=tied_to(os.getpid()) if sys.platform == "linux" else None,
        )
        return cls(name, child, heard)

    async def ready(self, url: str, within_s: float = READY_S) -> None:
        """Wait until `url` answers 200. Raises CannotRun with its last lines if it ends or is late."""
        async with httpx.AsyncClient(trust_env=False) as client:
            deadline = asyncio.get_running_loop().time() + within_s
            while not await _answers(client, url):
                if self._ended:
                    raise CannotRun([f"the {self.name} has ended; its last lines:", *self._lines])
                if asyncio.get_running_loop().time() > deadline:
                    late = f"the {self.name} is not ready after {within_s:.0f} s; its last lines:"
                    raise CannotRun([late, *self._lines])
                await asyncio.sleep(POLL_S)

    async def ended(self) -> str:
        """Wait until it has, and say how."""
        code = await self._child.wait()
        return f"was ended by signal {-code}" if code < 0 else f"has ended with exit code {code}"

    async def stop(self, grace_s: float = GRACE_S) -> None:
        """Ask it to end, and make it if it has not within `grace_s`."""
        self._stopping = True
        if not self._ended:
            self._child.terminate()
            try:
                await asyncio.wait_for(self._child.wait(), grace_s)
            except TimeoutError:
                self._child.kill()
                await self._child.wait()
        await self._reading

    @property
    def _ended(self) -> bool:
        return self._child.returncode is not None

    async def _read(self, heard: Callable[[str], None]) -> None:
        assert self._child.stdout is not None  # noqa: S101  # PIPE was asked for
        while raw := await _line(self._child.stdout):
            line = raw.decode("utf-8", "replace").rstrip()
            self._lines.append(line)
            heard(line)
        if not self._stopping:
            heard("has ended")


async def _line(output: asyncio.StreamReader) -> bytes:
    try:
        return await output.readline()
    except ValueError:
        return b"(a line of more than 1 MiB)\n"


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).status_code == 200
    except httpx.TransportError:
        return False


def tied_to(parent: int) -> Callable[[], None]:
    """For between fork and exec: Linux ends it with its parent, which is the thread that has started it.

    Should the parent be gone by then, nobody sends the signal.
    """
    prctl = ctypes.CDLL(None).prctl

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return tie
