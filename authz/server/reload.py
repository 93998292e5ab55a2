"""Noticing that files have changed, by looking at them once a second.

Looking beats being told: it works the same for an editor, a `git pull` and a mounted ConfigMap.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import structlog

from authz.server.files import expand

PERIOD_S = 1.0

_log = structlog.get_logger()

Fingerprint = tuple[tuple[str, int, int, int], ...]


def fingerprint(paths: Iterable[Path]) -> Fingerprint:
    """What changes when a file does: its name, inode, size and time. A file that is gone has none."""
    found = []
    for file in expand(path for path in paths if path.exists()):
        try:
            stat = file.stat()
        except FileNotFoundError:
            continue
        found.append((str(file), stat.st_ino, stat.st_size, stat.st_mtime_ns))
    return tuple(found)


async def loop(
    paths: Callable[[], Iterable[Path]],
    changed: Callable[[], Awaitable[None]],
    seen: Fingerprint,
    period_s: float = PERIOD_S,
) -> None:
    """Call `changed` after each change, for ever. A failure is logged and the old state stays.

    `seen` is from before the files were first read, or what changed since then would be missed.
    A change counts once two looks agree, for a file may be looked at while it is being written.
    """
    last = seen
    while True:
        await asyncio.sleep(period_s)
        try:
            now = fingerprint(paths())
            settled, last = now == last, now
            if settled and now != seen:
                seen = now
                await changed()
        except Exception:
            _log.exception("reload failed")
