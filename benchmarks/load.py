"""The load generators: ghz for gRPC, h2load for gRPC and for a steady rate, wrk for HTTP/1.1.

Each runs on the core it is told and says what it did; nothing here measures the server.
"""

import json
import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from authz.server import service
from benchmarks.process import LOOPBACK, on
from benchmarks.workload import Requests

IN_FLIGHT = 50  # calls waiting for an answer at any moment
GHZ_IN_FLIGHT = 200  # ghz writes a frame at a time unless many wait
PACED_HZ = 100.0  # h2load's timer: a connection that is asked for more sends several at once
TIMEOUT_S = 120.0

_SCRIPT = Path(__file__).with_name("wrk.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What was done. `refused` were answered with an error status, `failed` not at all."""

    done: int
    seconds: float
    refused: int = 0
    failed: int = 0
    latencies_ms: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Generators:
    """The programs, and the descriptors that ghz needs."""

    ghz: Path
    h2load: Path
    wrk: Path
    descriptors: Path

    def calls(self, port: int, requests: Requests, core: int, count: int) -> Load:
        """ghz: so many calls over one connection, as fast as they are answered."""
        options = "--insecure --cpus 1 --format json --disable-template-functions --disable-template-data"
        options += f" --call {service.NAME}/Check --concurrency {GHZ_IN_FLIGHT}"
        options += f" --total {count}"
        files = ["--protoset", str(self.descriptors), "--data-file", str(requests.messages)]
        report = json.loads(_run([str(self.ghz), *options.split(), *files, f"{LOOPBACK}:{port}"], core))
        latencies = tuple(each["latency"] / 1e6 for each in report["details"] if each["status"] == "OK")
        return Load(
            len(latencies),
            report["total"] / 1e9,
            failed=report["count"] - len(latencies),
            latencies_ms=latencies,
        )

    def frames(self, port: int, requests: Requests, core: int, count: int) -> Load:
        """h2load: the first of the requests over one connection, as fast as it is answered."""
        options = [*_GRPC, "-d", str(requests.body), "-n", str(count), "-c", "1", "-m", str(IN_FLIGHT)]
        return self._h2load([*options, f"http://{LOOPBACK}:{port}{service.METHOD}"], core)

    def gets(self, url: str, requests: Requests, core: int, seconds: int, limit: int = 0) -> Load:
        """wrk: the requests in turn for so long. With `limit` it falls silent after so many."""
        command = [
            str(self.wrk),
            "-t",
            "1",
            "-c",
            str(IN_FLIGHT),
            "-d",
            f"{seconds}s",
            "-s",
            str(_SCRIPT),
            url,
        ]
        out = _run([*command, "--", str(requests.lines), str(limit)], core)
        told = json.loads(out.splitlines()[-1])
        return Load(told["done"], told["us"] / 1e6, told["refused"], told["failed"])

    def paced_gets(self, url: str, requests: Requests, core: int, rate: float, seconds: int) -> Load:
        """h2load: the first of the requests at a steady rate, from as many connections as that takes."""
        host, token = requests.lines.read_text().splitlines()[0].split()
        headers = ["-H", f":authority: {host}", "-H", f"authorization: Bearer {token}"]
        return self._h2load(["--h1", *_pace(rate, seconds), *headers, url], core)

    def paced_frames(self, port: int, requests: Requests, core: int, rate: float, seconds: int) -> Load:
        """The same over gRPC."""
        options = [*_GRPC, "-d", str(requests.body), *_pace(rate, seconds)]
        return self._h2load([*options, f"http://{LOOPBACK}:{port}{service.METHOD}"], core)

    def _h2load(self, options: Sequence[str], core: int) -> Load:
        with TemporaryDirectory() as folder:
            log = Path(folder) / "log"
            _run([str(self.h2load), "--log-file", str(log), *options], core)
            lines = [line.split() for line in log.read_text().splitlines()]
        return _read(lines)


_GRPC = ("-H", "content-type: application/grpc", "-H", "te: trailers")


def _pace(rate: float, seconds: int) -> list[str]:
    clients = math.ceil(rate / PACED_HZ)
    pace = ["--rps", f"{rate / clients:.3f}", "-c", str(clients), "-n", str(round(rate * seconds))]
    return [*pace, "-r", "1", "--rate-period", "7ms"]  # one after another, or their timers fire together


def _read(lines: Sequence[Sequence[str]]) -> Load:
    """h2load's log: when it was sent, the status, how long it took; all times in µs."""
    good = [(int(sent), int(took)) for sent, status, took in lines if status.startswith("2")]
    ended = max(sent + took for sent, took in good)
    began = min(sent for sent, _ in good)
    latencies = tuple(took / 1000 for _, took in good)
    return Load(len(good), (ended - began) / 1e6, failed=len(lines) - len(good), latencies_ms=latencies)


def _run(command: Sequence[str], core: int) -> str:
    with on(core):
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)  # noqa: S603  # our own arguments
    if done.returncode:
        raise OSError(f"{command[0]} failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    return done.stdout
