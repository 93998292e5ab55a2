"""`make soak`: many Checks with connections coming and going, and what memory does meanwhile.

ghz and a real Envoy ask with 10,000 tokens of which every other is forged, h2load asks for the bulk, and rude
clients leave in the middle. It ends with 1 if a call fails, a forged token passes, or memory goes on growing.
"""

import asyncio
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from authz.local import programs
from authz.server import service
from benchmarks import envoy, issuer, rude, workload
from benchmarks.process import LOAD_CORE, LOOPBACK, SERVER_CORE, Process, free_port
from benchmarks.workload import Requests

TENTHS = 10
TOKENS = 10_000
HOSTS = 50
AGE = "20s"  # of a connection until it is drained: Envoy connects anew some hundred times in a run
RUN_S = 10  # of wrk; short, so that connections come and go
RUN_CALLS = 50_000  # of h2load and ghz, for the same reason
WRK_CONNECTIONS, OTHER_CONNECTIONS = 50, 20
RUDE = 200  # clients in each tenth
GROWTH_MAX = 1.05  # the largest memory of the second half, to that of the first

# Of all calls, in hundredths; the rest is h2load's, which is the fastest.
ENVOYS, GHZS = 2, 1

_SCRIPT = Path(__file__).with_name("wrk.lua")


class Failed(Exception):
    """Something went wrong that may not; the text says what."""


@dataclass
class Tally:
    """Calls by who made them, and those that were let pass."""

    calls: dict[str, int] = field(default_factory=lambda: {"Envoy": 0, "ghz": 0, "h2load": 0})
    passed: int = 0
    memory_mib: list[float] = field(default_factory=list)

    def add(self, by: str, done: int, passed: int) -> None:
        """One run's."""
        self.calls[by] += done
        self.passed += passed


@dataclass(frozen=True, slots=True)
class Load:
    """Makes calls; `under` is a command before each generator's, as `nice -n 10`."""

    checks: int
    front: int
    requests: Requests
    descriptors: Path
    under: tuple[str, ...]
    tally: Tally

    def tenth(self, calls: int) -> None:
        """A tenth of the whole, by everybody in turn. Raises Failed."""
        asyncio.run(rude.visit(LOOPBACK, self.checks, RUDE))
        self._until("Envoy", calls * ENVOYS // 100, self._envoy)
        self._until("ghz", calls * GHZS // 100, self._ghz)
        self._until("h2load", calls * (100 - ENVOYS - GHZS) // 100, self._h2load)

    def _until(self, by: str, calls: int, run: Any) -> None:
        goal = self.tally.calls[by] + calls
        while (left := goal - self.tally.calls[by]) > 0:
            run(min(left, RUN_CALLS))

    def _envoy(self, _: int) -> None:
        options = f"-t 1 -c {WRK_CONNECTIONS} -d {RUN_S}s --timeout 30s -s {_SCRIPT}"
        options += f" http://{LOOPBACK}:{self.front}/orders/7"
        out = self._run("wrk", *options.split(), "--", str(self.requests.lines), "0")
        told = json.loads(out.splitlines()[-1])
        done, refused = told["done"], told["refused"]
        if told["failed"] or abs(refused - done / 2) > WRK_CONNECTIONS:
            raise Failed(f"through Envoy: {told}")
        self.tally.add("Envoy", done, done - refused)

    def _ghz(self, calls: int) -> None:
        options = f"--insecure --format json --call {service.NAME}/Check --total {calls} --timeout 0"
        options += f" --concurrency 200 --connections {OTHER_CONNECTIONS} --disable-template-data"
        files = ["--protoset", str(self.descriptors), "--data-file", str(self.requests.messages)]
        report = json.loads(self._run("ghz", *options.split(), *files, f"{LOOPBACK}:{self.checks}"))
        if report["statusCodeDistribution"] != {"OK": calls}:
            raise Failed(f"ghz: {report['statusCodeDistribution']} {report['errorDistribution']}")
        self.tally.add("ghz", calls, calls // 2)

    def _h2load(self, calls: int) -> None:
        """The first of the requests, which has a good token."""
        options = f"-n {calls} -c {OTHER_CONNECTIONS} -m 50 -d {self.requests.body}"
        headers = ["-H", "content-type: application/grpc", "-H", "te: trailers"]
        url = f"http://{LOOPBACK}:{self.checks}{service.METHOD}"
        out = self._run("h2load", *options.split(), *headers, url)
        if f"{calls} succeeded, 0 failed, 0 errored, 0 timeout" not in out:
            raise Failed(f"h2load: {out[-800:]}")
        self.tally.add("h2load", calls, calls)

    def _run(self, name: str, *options: str) -> str:
        command = [*self.under, str(programs.get(name)), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own arguments
        if done.returncode:
            raise Failed(f"{name}:\n{done.stdout[-800:]}{done.stderr[-800:]}")
        return done.stdout


@click.command()
@click.option("--calls", default=20_000_000, show_default=True, help="How many, about.")
@click.option("--minutes", default=90, show_default=True, help="End after so many, whatever was done.")
@click.option("--under", default="", help="A command to run load generators under, as `nice -n 10`.")
def main(calls: int, minutes: int, under: str) -> None:
    """Ask until all calls are made, and print memory at each tenth."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is ended
    began = time.monotonic()
    with TemporaryDirectory() as folder, _standing(Path(folder), tuple(shlex.split(under))) as (load, page):
        tally, server = load.tally, page.server
        for number in range(TENTHS + 1):
            if number:
                load.tenth(calls // TENTHS)
            tally.memory_mib.append(server.resident_mib)
            done, minutes_so_far = sum(tally.calls.values()), (time.monotonic() - began) / 60
            click.echo(f"| {done:,} | {minutes_so_far:.0f} min | {server.resident_mib:.1f} MiB |")
            if minutes_so_far > minutes:
                break
        problems = list(_judge(tally, page.read()))
    click.echo("\n".join(problems) or "nothing failed, no forged token passed, memory is flat")
    sys.exit(bool(problems))


@dataclass(frozen=True, slots=True)
class Page:
    """The server's metrics."""

    server: Process
    admin: int

    def read(self) -> dict[str, dict[str, float]]:
        """By family and by the one label that counts here."""
        text = httpx.get(f"http://{LOOPBACK}:{self.admin}/metrics").text
        found: dict[str, dict[str, float]] = {"authz_checks": {}, "authz_h2_refused": {}}
        samples = chain.from_iterable(family.samples for family in text_string_to_metric_families(text))
        for sample in samples:
            kind = found.get(sample.name.removesuffix("_total"))
            if kind is not None:
                label = sample.labels.get("reason") or sample.labels["cause"]
                kind[label] = kind.get(label, 0) + sample.value
        return found


def _judge(tally: Tally, page: dict[str, dict[str, float]]) -> Iterator[str]:
    decisions, refused = page["authz_checks"], page["authz_h2_refused"]
    click.echo(f"calls: {tally.calls}, passed: {tally.passed:,}\ndecisions: {decisions}\nrefused: {refused}")
    allowed = decisions.pop("AUTHORIZED", 0)
    decisions.pop("SIGNATURE_INVALID", 0)
    runs = tally.calls["Envoy"] / RUN_S  # wrk leaves some calls behind at each end
    if not tally.passed <= allowed <= tally.passed + runs * WRK_CONNECTIONS:
        yield f"{allowed:,.0f} were authorized, {tally.passed:,} passed"
    decisions.pop("REQUEST_INVALID", 0)  # of the rude, who ask for nothing
    if decisions:
        yield f"other decisions: {decisions}"
    half = len(tally.memory_mib) // 2
    first, second = max(tally.memory_mib[1 : half + 1]), max(tally.memory_mib[half + 1 :])
    if second > first * GROWTH_MAX:
        yield f"memory grew from {first:.1f} to {second:.1f} MiB"


@contextmanager
def _standing(folder: Path, under: tuple[str, ...]) -> Iterator[tuple[Load, Page]]:
    """The authorizer, an Envoy before it, and what they are asked."""
    checks, admin, front = free_port(), free_port(), free_port()
    with ExitStack() as running:
        file = workload.configuration(
            folder / "server", "h2", checks, running.enter_context(issuer.serving()), HOSTS
        )
        settings = yaml.safe_load(file.read_text())
        settings["listen"] |= {"admin": f"{LOOPBACK}:{admin}", "maxConnectionAge": AGE}
        settings["log"] = {"decisions": "none"}
        file.write_text(yaml.safe_dump(settings))
        tokens = [(issuer.forged if number % 2 else issuer.good)(number) for number in range(TOKENS)]
        requests = workload.write(folder, "half", workload.hosts(HOSTS), tokens)
        workload.descriptors(folder / "descriptors")
        server = Process(
            [sys.executable, "-m", "authz", "serve", "--config", str(file)],
            SERVER_CORE,
            folder / "server.log",
        )
        running.callback(server.stop)
        server.listening(checks)
        command = envoy.command(folder / "envoy.json", {"h2": front}, {"h2": checks})
        proxy = Process(command, LOAD_CORE, folder / "envoy.log")
        running.callback(proxy.stop)
        proxy.listening(front)
        yield Load(checks, front, requests, folder / "descriptors", under, Tally()), Page(server, admin)


if __name__ == "__main__":
    main()
