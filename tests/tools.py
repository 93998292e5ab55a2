"""Programs that tests and benchmarks run, built from source by Go once and kept in the user's cache."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "authz" / "tools"
_TOOLS = {
    "h2spec": ("github.com/summerwind/h2spec/cmd/h2spec", "v2.2.1+incompatible"),
    "ghz": ("github.com/bojand/ghz/cmd/ghz", "v0.121.0"),
}


def tool(name: str) -> Path:
    """The program, built if it is not there. Skips the test where there is no Go."""
    package, version = _TOOLS[name]
    folder = _CACHE / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at once would build it twice
        if not (folder / name).exists():
            _build(f"{package}@{version}", folder)
    return folder / name


def _build(package: str, folder: Path) -> None:
    go = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    if go is None:
        pytest.skip(f"building {package} takes Go")
    subprocess.run([go, "install", package], check=True, env=os.environ | {"GOBIN": str(folder)})
