"""`authz controller` as an operator runs it, and what it says of itself."""

import asyncio
import contextlib
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import yaml

from authz.controller.kinds import LEASES
from tests.controller.clusters import Cluster
from tests.kube.server import ApiServer

ROOT = Path(__file__).parents[2]
LEASE = "authz-system/authz-controller"
AUTHORIZERS = """
- name: ours
  accept: [{jwt: {issuer: "https://idp.example.com", audiences: [shop]}}]
"""


class Program:
    """While it runs."""

    def __init__(self, process: asyncio.subprocess.Process, client: httpx.AsyncClient) -> None:
        self._process = process
        self._client = client  # one for all: to make one takes as long as a dozen answers

    @property
    def memory_mib(self) -> float:
        """Resident, as the kernel has it."""
        return self._status("VmRSS:")

    @property
    def most_mib(self) -> float:
        """The most that was ever resident."""
        return self._status("VmHWM:")

    @property
    def cpu_s(self) -> float:
        """Used up to now."""
        return cpu_s(self._process.pid)

    async def metric(self, name: str) -> float:
        """The sum of all samples that begin so; 0 while nobody answers."""
        return sum((await self._samples(name)).values())

    async def sent(self) -> dict[str, int]:
        """Requests of those that write, by verb, resource and outcome."""
        found = await self._samples("authz_controller_requests_total")
        return {" ".join(re.findall('"(.*?)"', name)): int(number) for name, number in found.items()}

    async def _samples(self, name: str) -> dict[str, float]:
        with contextlib.suppress(httpx.TransportError):
            lines = (await self._client.get("http://controller/metrics")).text.splitlines()
            samples = [line.rpartition(" ") for line in lines if line.startswith(name)]
            return {sample: float(number) for sample, _, number in samples}
        return {}

    async def all_ready(self, count: int) -> None:
        """By its own count; the API server is not asked meanwhile, and it only seldom before the end."""
        while (ready := await self.metric('authz_apirules{state="Ready"}')) < count:  # noqa: ASYNC110 - another process
            await asyncio.sleep(max(0.05, 1 - ready / count))

    def _status(self, name: str) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split(name)[1].split()[0]) / 1024


def cpu_s(pid: int) -> float:
    """User and system time of all its threads so far; clock_getcpuclockid(3)."""
    return time.clock_gettime(~pid << 3 | 2)


@asynccontextmanager
async def program(server: ApiServer, folder: Path, cluster: Cluster) -> AsyncIterator[Program]:
    """From its start; it leads at once, for the lease is taken away first."""
    await cluster.delete(LEASES, LEASE)
    socket, file = folder / "admin.sock", folder / "authz.yaml"
    settings = {
        "kubernetes": {"kubeconfig": str(server.kubeconfig)},
        "controller": {"admin": f"unix:{socket}"},
        "authorizers": yaml.safe_load(AUTHORIZERS),
    }
    file.write_text(yaml.safe_dump(settings))
    command = (sys.executable, "-m", "authz", "controller", "--config", str(file))
    with (folder / "controller.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log, cwd=ROOT)
    transport = httpx.AsyncHTTPTransport(uds=str(socket), verify=False)
    try:
        async with httpx.AsyncClient(transport=transport) as client:
            yield Program(process, client)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()
