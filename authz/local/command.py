"""How this program was started, in words that start it again from the same directory.

A fresh clone has `authz` in its .venv only: what is printed to be copied must work there too.
"""

import os
from pathlib import Path

PROGRAM = "authz"


def again(started: str, python: str, here: Path) -> tuple[str, ...]:
    """The words, from `sys.argv[0]`, `sys.executable` and the working directory."""
    if Path(started).name == PROGRAM and os.access(here / started, os.X_OK):
        return (_from(here, started),)
    return (_from(here, python), "-m", PROGRAM)


def _from(here: Path, program: str) -> str:
    """Relative if it is inside. No symbolic link is followed: a .venv's Python is one."""
    path = Path(os.path.normpath(here / program))
    if not path.is_relative_to(here):
        return str(path)
    inside = path.relative_to(here)
    return str(inside) if len(inside.parts) > 1 else f"./{inside}"
