"""Programs that a distribution packages: found, or installed where we are root, or asked for.

Installing is Debian's business; elsewhere the packages are named much the same.
"""

import fcntl
import os
import shutil
from pathlib import Path

from authz.local.failure import CannotRun
from authz.local.programs import cache

PACKAGES = {
    "chromedriver": "chromium-driver",
    "chromium": "chromium",
    "gcc": "build-essential",
    "h2load": "nghttp2-client",
    "java": "openjdk-17-jre-headless",
    "mvn": "maven",
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "redis-server": "redis-server",
    "wrk": "wrk",
}
_LOCK_WAIT_S = 300  # somebody else may be installing


def program(name: str) -> Path:
    """Raises CannotRun with the command that installs it."""
    found = shutil.which(name) or _install(name)
    if found is None:
        raise CannotRun(
            [f"{name} is needed: apt-get install {PACKAGES[name]}, or your distribution's like it"]
        )
    return Path(found)


def _install(name: str) -> str | None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return None
    cache.folder().mkdir(parents=True, exist_ok=True)
    with (cache.folder() / ".apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not shutil.which(name):
            cache.say(f"installing {PACKAGES[name]} with apt-get, once")
            _apt_get("update")
            _apt_get("install", "--yes", "--no-install-recommends", PACKAGES[name])
    return shutil.which(name)


def _apt_get(*arguments: str) -> None:
    wait = f"DPkg::Lock::Timeout={_LOCK_WAIT_S}"
    # RUNLEVEL=1: a packaged service is not to be started, we want its program only
    cache.run(["apt-get", "-qq", "-o", wait, *arguments], DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1")
