"""One tenant's users while another's issuer is slow and flooded with random tokens: what their tail becomes.

Beside the same number of good tokens, for a busier server has a longer tail whoever makes it busy. What
comes beside is sent at its rate whether it is answered or not: those who flood do not wait.
"""

import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from authz.server import service
from benchmarks import issuer, workload
from benchmarks.load import Generators
from benchmarks.process import LOAD_CORE, LOOPBACK, SERVER_CORE, Process, free_port, on
from benchmarks.servers import allows
from benchmarks.tools import Tools
from benchmarks.workload import Requests

ROUNDS = 5
SECONDS = 4
RATE = 500  # a second of the watched tenant, far from what the server can do
FLOOD = 1_500  # a second beside it

ALONE, GOOD, RANDOM = "alone", "beside good tokens", "beside a flood of random ones"
_YIELDING = ("nice", "-n", "19")  # they share their core with who measures, who must not wait for them
_HOST, _FLOODED = "shop-0.example.com", "flooded.example.com"

Tails = dict[str, dict[str, float]]


def measure(tools: Tools) -> Tails:
    """p50 and p99 in ms of the tenant beside each load; medians of rounds that take turns."""
    with TemporaryDirectory(prefix="authz-flood-") as name, issuer.serving() as keys:
        folder = Path(name)
        workload.descriptors(folder / "descriptors")
        generators = Generators(tools.ghz, tools.h2load, tools.wrk, folder / "descriptors")
        known = workload.write(folder, "known", [_HOST], [issuer.good(0)])
        loads = {ALONE: None, GOOD: _many(folder, GOOD, _HOST), RANDOM: _many(folder, RANDOM, _FLOODED)}
        with on(LOAD_CORE), _slow(folder) as slow, _server(folder, keys, slow, known) as port:
            rounds = [_round(generators, port, known, loads) for _ in range(ROUNDS + 1)][1:]
    return {load: _medians([one[load] for one in rounds]) for load in loads}


def _medians(found: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: round(statistics.median(one[name] for one in found), 3) for name in found[0]}


def _round(generators: Generators, port: int, known: Requests, loads: dict[str, Requests | None]) -> Tails:
    found = {}
    for load, requests in loads.items():
        beside = _start(generators, port, requests) if requests else None
        time.sleep(0.5)  # until it is under way
        ordered = sorted(generators.paced_frames(port, known, LOAD_CORE, RATE, SECONDS).latencies_ms)
        if beside:
            beside.wait(60)
        found[load] = {"p50_ms": ordered[len(ordered) // 2], "p99_ms": ordered[len(ordered) * 99 // 100]}
    return found


def _start(generators: Generators, port: int, requests: Requests) -> "subprocess.Popen[bytes]":
    options = "--insecure --cpus 1 --format json --disable-template-functions --disable-template-data"
    options += f" --call {service.NAME}/Check --async --timeout 0 --rps {FLOOD}"
    options += f" --total {FLOOD * (SECONDS + 1)}"
    files = ["--protoset", str(generators.descriptors), "--data-file", str(requests.messages)]
    with on(LOAD_CORE):
        return subprocess.Popen(  # noqa: S603  # our own arguments
            [*_YIELDING, str(generators.ghz), *options.split(), *files, f"{LOOPBACK}:{port}"],
            stdout=subprocess.DEVNULL,
        )


def _many(folder: Path, name: str, host: str) -> Requests:
    """A different token each time, of those that the host's issuer knows or of those that nobody does."""
    count = FLOOD * (SECONDS + 1)
    good = [issuer.good(number) for number in range(200)] if host == _HOST else []
    tokens = good or [secrets.token_urlsafe(32) for _ in range(count)]
    return workload.write(folder, name, [host], tokens)


@contextmanager
def _server(folder: Path, keys: str, endpoint: str, known: Requests) -> Iterator[int]:
    port = free_port()
    file = workload.configuration(folder / "server", "h2", port, keys, 1)
    settings = yaml.safe_load(file.read_text())
    (folder / "server" / "secret").write_text("secret")
    asked = {"issuer": endpoint, "endpoint": f"{endpoint}/introspect", "clientId": "bench"}
    asked |= {"clientSecretFile": str(folder / "server" / "secret")}
    settings["authorizers"].append({"name": "slow", "accept": [{"introspection": asked}]})
    file.write_text(yaml.safe_dump(settings))
    (folder / "server" / "rules.yaml").write_text(yaml.safe_dump_all(_rules(folder)))
    command = [sys.executable, "-m", "authz", "serve", "--config", str(file)]
    process = Process(command, SERVER_CORE, folder / "server.log")
    try:
        process.listening(port)
        allows(port, known.body.read_bytes()[5:])
        yield port
    finally:
        process.stop()


def _rules(folder: Path) -> Sequence[dict[str, Any]]:
    """The watched tenant's, and the same for the flooded one."""
    (ours,) = yaml.safe_load_all((folder / "server" / "rules.yaml").read_text())
    theirs = json.loads(json.dumps(ours).replace('"bench"', '"slow"'))
    theirs["metadata"]["name"], theirs["spec"]["hosts"] = "flooded", [_FLOODED]
    return ours, theirs


@contextmanager
def _slow(folder: Path) -> Iterator[str]:
    """The URL of an issuer that does not know any token, and is long in saying so."""
    port = free_port()
    command = [*_YIELDING, sys.executable, "-m", "benchmarks.slow_issuer", str(port)]
    process = Process(command, LOAD_CORE, folder / "issuer.log")
    try:
        process.listening(port)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.stop()
