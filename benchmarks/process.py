"""A program under test: pinned to a core, its CPU time and memory read from the kernel.

It is ended when its context is left, however that comes about.
"""

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

LOOPBACK = "127.0.0.1"
SERVER_CORE, LOAD_CORE = 0, 1

READY_S = 30.0  # the authorizer with 10,000 hosts reads YAML for a few seconds
GRACE_S = 15.0  # longer than any of them drains

_resident = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE).search


class Process:
    """Starts at once. Standard output is thrown away, errors go to `log`."""

    def __init__(self, command: Sequence[str], core: int, log: Path) -> None:
        self._log = log
        with log.open("wb") as errors, on(core):
            self._child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=errors)  # noqa: S603  # our own arguments

    @property
    def cpu_s(self) -> float:
        """User and system time of all its threads so far."""
        # clock_getcpuclockid(3): the id of another process's clock, to the nanosecond where stat has ticks.
        return time.clock_gettime(~self._child.pid << 3 | 2)

    @property
    def resident_mib(self) -> float:
        """Its memory now."""
        found = _resident(Path(f"/proc/{self._child.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0

    def listening(self, port: int) -> None:
        """Wait until it takes connections. Raises OSError with its last words if it never does."""
        deadline = time.monotonic() + READY_S
        while not _accepts(port):
            if self._child.poll() is not None or time.monotonic() > deadline:
                raise OSError(f"{self._child.args!r} does not listen:\n{self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ask it to end, and make it if it does not."""
        self._child.terminate()
        try:
            self._child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


@contextmanager
def on(core: int) -> Iterator[None]:
    """Keep this thread, and what it starts, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def busy_s() -> float:
    """What all processes of the machine have spent on the cores since it started."""
    user, nice, system = Path("/proc/stat").read_text().split(maxsplit=5)[1:4]
    return (int(user) + int(nice) + int(system)) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """One that nobody listens on at the moment."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        return int(listener.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((LOOPBACK, port), 1).close()
    except OSError:
        return False
    return True
