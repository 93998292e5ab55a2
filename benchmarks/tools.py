"""The programs that a run needs, got if they are not here."""

from dataclasses import dataclass
from pathlib import Path

from authz.local import programs


@dataclass(frozen=True, slots=True)
class Tools:
    """Paths of programs."""

    ghz: Path
    h2load: Path
    wrk: Path
    oauth2_proxy: Path


def find() -> Tools:
    """All of them; what is written in Go is built once. Raises CannotRun."""
    return Tools(*map(programs.get, ("ghz", "h2load", "wrk", "oauth2-proxy")))
