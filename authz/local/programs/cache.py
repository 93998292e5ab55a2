"""Where programs are kept: a folder of the user's, outside of every checkout, shared by all of them.

An entry is whole or it is not there; two runs that want the same one make it once.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp

from authz.local.failure import CannotRun

LINES_SHOWN = 20  # of a failed command: its last ones say why


def entry(name: str, announce: str, make: Callable[[Path], None], home: Path | None = None) -> Path:
    """The folder of that name; if it is not there, `make` fills it while others wait.

    Raises CannotRun where `make` does; nothing is left behind then.
    """
    home = home or folder()
    home.mkdir(parents=True, exist_ok=True)
    with (home / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / name).exists():
            say(announce)
            _fill(home / name, make)
    return home / name


def folder() -> Path:
    """In XDG's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "authz"


def run(command: Sequence[str | Path], where: Path | None = None, **environment: str) -> str:
    """What it prints. Raises CannotRun with its last lines if it fails."""
    done = subprocess.run(
        command, cwd=where, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stdout + done.stderr).splitlines()[-LINES_SHOWN:]
        raise CannotRun([f"`{' '.join(map(str, command))}` has failed; its last lines:", *last])
    return done.stdout


def say(line: str) -> None:
    """To the person who waits."""
    print(line, file=sys.stderr, flush=True)


def _fill(entry: Path, make: Callable[[Path], None]) -> None:
    draft = Path(mkdtemp(prefix=f".{entry.name}-", dir=entry.parent))
    try:
        make(draft)
        draft.chmod(0o755)
        draft.rename(entry)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
