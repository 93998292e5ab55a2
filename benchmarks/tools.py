"""The programs that a run needs; where one is missing, how it is got."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks import oauth2_proxy
from tests.tools import tool

_PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client"}


class Missing(Exception):
    """A program is not here; the text says how it is got."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths of programs."""

    ghz: Path
    h2load: Path
    wrk: Path
    oauth2_proxy: Path


def find() -> Tools:
    """All of them; what is written in Go is built once. Raises Missing."""
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        raise Missing("ghz and oauth2-proxy are built with Go: install it from go.dev or your distribution")
    return Tools(tool("ghz"), _installed("h2load"), _installed("wrk"), oauth2_proxy.program(go))


def _installed(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is needed: apt-get install {_PACKAGES[name]}, or your distribution's like it")
    return Path(found)
