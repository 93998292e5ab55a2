"""The controller on a real API server: how long it takes, against the same writes without it.

`make bench-controller` runs it and writes docs/benchmarks-controller.md. Ratios are of one run.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import yaml

from authz import config
from authz.controller.api import CONNECTIONS, Api
from authz.controller.kinds import APIRULES, EMITTED, LEASES, POLICIES, VIRTUAL_SERVICES, Document, Kind
from authz.server.following import Following
from authz.server.ruleset import Loaded
from tests.controller.clusters import EXT, JWT, PUBLIC, SETTINGS, Cluster, apirule, entered, prepare
from tests.controller.history import History, drawn, go_through, violations
from tests.kube.server import ApiServer

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks-controller.md"
ACCESS = (PUBLIC, JWT, EXT)
SAMPLES = 200
IDLE_S = 20.0
RESULTS = ROOT / "benchmarks" / "controller.json"
LEASE = "authz-system/authz-controller"
AUTHORIZERS = """
- name: ours
  accept: [{jwt: {issuer: "https://idp.example.com", audiences: [shop]}}]
"""


class Program:
    """`authz controller`, as an operator runs it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @property
    def memory_mib(self) -> float:
        """Resident, as the kernel has it."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    @property
    def cpu_s(self) -> float:
        """Used up to now."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@asynccontextmanager
async def program(server: ApiServer, folder: Path, cluster: Cluster) -> AsyncIterator[Program]:
    """From its start; it leads at once, for the lease is taken away first."""
    await cluster.delete(LEASES, LEASE)
    settings = {
        "kubernetes": {"kubeconfig": str(server.kubeconfig)},
        "controller": {"admin": f"unix:{folder}/admin.sock"},
        "authorizers": yaml.safe_load(AUTHORIZERS),
    }
    file = folder / "authz.yaml"
    file.write_text(yaml.safe_dump(settings))
    with (folder / "controller.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "authz",
            "controller",
            "--config",
            str(file),
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )
    try:
        yield Program(process)
    finally:
        process.send_signal(signal.SIGTERM)
        await process.wait()


Write = Callable[[], Awaitable[Any]]
Happened = Callable[[str, Document], bool]


class Eyes:
    """Sees what happens to some kinds, when it happens."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: list[tuple[Happened, asyncio.Future[float]]] = []

    @asynccontextmanager
    async def open(self, *kinds: Kind) -> AsyncIterator[None]:
        page = await self._cluster.api.list(APIRULES, {"limit": "1"})
        start = page["metadata"]["resourceVersion"]
        tasks = [asyncio.create_task(self._look(kind, start)) for kind in kinds]
        await asyncio.sleep(0.5)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, write: Awaitable[Any], happened: Happened) -> float:
        """Milliseconds from sending the write to seeing what it leads to."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((happened, future))
        began_s = time.perf_counter()
        await write
        seen_s: float = await asyncio.wait_for(future, 60)
        return (seen_s - began_s) * 1000

    async def _look(self, kind: Kind, start: str) -> None:
        async for line in self._cluster.api.lines(kind, {"watch": "1", "resourceVersion": start}, 3600):
            now_s, event = time.perf_counter(), json.loads(line)
            for one in [one for one in self._waiting if one[0](event["type"], event["object"])]:
                self._waiting.remove(one)
                one[1].set_result(now_s)


def rule(number: int, turn: int = 0) -> Document:
    return apirule(f"b{number}", ACCESS[(number + turn) % 3])


def is_done(name: str, generation: int) -> Happened:
    """All is written: the status comes last."""

    def look(_: str, one: Document) -> bool:
        status = one.get("status", {})
        found = one["kind"], one["metadata"]["name"], status.get("state"), status.get("observedGeneration")
        return found == ("APIRule", name, "Ready", generation)

    return look


def is_back(kind: str, name: str) -> Happened:
    """An object is as it was."""

    def look(happened: str, one: Document) -> bool:
        found = one["kind"], one["metadata"]["name"]
        return happened != "DELETED" and found == (kind, name) and "exportTo" not in one["spec"]

    return look


async def at_once(writes: Iterable[Write]) -> float:
    """Seconds for all of them, as many at once as the controller does."""
    waiting = iter(list(writes))

    async def worker() -> None:
        for write in waiting:
            await write()

    began_s = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return time.perf_counter() - began_s


async def create(api: Api, count: int) -> None:
    await at_once([partial(api.apply, APIRULES, rule(number)) for number in range(count)])


async def all_ready(folder: Path, count: int) -> None:
    """By the program's own count; the API server is not asked meanwhile."""
    while await metric(folder, 'authz_apirules{state="Ready"}') < count:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)


async def metric(folder: Path, name: str) -> float:
    """The sum of all samples that begin so; 0 while nobody answers."""
    transport = httpx.AsyncHTTPTransport(uds=str(folder / "admin.sock"))
    async with httpx.AsyncClient(transport=transport) as client:
        with contextlib.suppress(httpx.TransportError):
            lines = (await client.get("http://controller/metrics")).text.splitlines()
            return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))
    return 0.0


async def from_nothing(server: ApiServer, folder: Path, cluster: Cluster, count: int) -> dict[str, Any]:
    """All objects and statuses, then the same writes bare: to other objects, by the same client."""
    await create(cluster.api, count)
    began_s = time.perf_counter()
    async with program(server, folder, cluster) as running:
        await all_ready(folder, count)
        took_s, cpu_s = time.perf_counter() - began_s, running.cpu_s
    objects = [one for kind in EMITTED.values() for one in await cluster.all(kind)]
    rules = await cluster.all(APIRULES)
    used_s = time.process_time()
    writes, bare_s = await bare(cluster.api, objects, rules)
    return {
        "objects": len(objects),
        "writes": writes,
        "took_s": took_s,
        "cpu_s": cpu_s,
        "bare_s": bare_s,
        "bare_cpu_s": time.process_time() - used_s,
    }


async def bare(api: Api, objects: list[Document], rules: list[Document]) -> tuple[int, float]:
    """As many writes of the same kinds and sizes: objects, finalizers and statuses; in another namespace."""
    elsewhere, copies = [copied(one) for one in rules], [copied(one) for one in objects]
    await at_once([partial(api.apply, APIRULES, one) for one in elsewhere])
    finalizer, gone = ({"metadata": {"finalizers": value}} for value in (["example.com/bench"], None))
    writes = [partial(api.merge, APIRULES, key_of(one), finalizer) for one in elsewhere]
    writes += [
        partial(api.merge, APIRULES, key_of(one), {"status": there["status"]}, "status")
        for one, there in zip(elsewhere, rules, strict=True)
    ]
    writes += [partial(api.apply, EMITTED[one["kind"]], one) for one in copies]
    took_s = await at_once(writes)
    await at_once([partial(api.merge, APIRULES, key_of(one), gone) for one in elsewhere])
    kinds = EMITTED | {APIRULES.name: APIRULES}
    await at_once([partial(api.delete, kinds[one["kind"]], key_of(one)) for one in (*copies, *elsewhere)])
    return len(writes), took_s


def copied(one: Document) -> Document:
    """Without our labels, so that no controller takes it for its own."""
    metadata = {"name": one["metadata"]["name"], "namespace": "default"}
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata, "spec": one["spec"]}


def key_of(one: Document) -> str:
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"


async def steady(server: ApiServer, folder: Path, cluster: Cluster, count: int) -> dict[str, Any]:
    """While `count` APIRules are there: a restart, new ones, edits, repairs, and the authorizer."""
    eyes, found = Eyes(cluster), dict[str, Any]()
    async with program(server, folder, cluster) as running:
        await all_ready(folder, count)
        found["restart_writes"] = await metric(folder, "authz_controller_requests_total")
        async with eyes.open(APIRULES, VIRTUAL_SERVICES, POLICIES):
            numbers = range(count, count + SAMPLES)
            found["new"] = [
                await eyes.until(cluster.api.apply(APIRULES, rule(number)), is_done(f"b{number}", 1))
                for number in numbers
            ]
            found["edit"] = [
                await eyes.until(cluster.api.apply(APIRULES, rule(number, 1)), is_done(f"b{number}", 2))
                for number in numbers
            ]
            found["repair"] = await repairs(cluster, eyes, count)
            found["enforced"] = await enforced(server, cluster, numbers)
        found["lists"] = await metric(folder, 'authz_controller_watch_lists{resource="virtualservices"}')
        found["mib"] = running.memory_mib
    return found


async def repairs(cluster: Cluster, eyes: Eyes, count: int) -> list[float]:
    """A policy deleted by hand, and a route edited."""
    policies = [one["metadata"]["name"] for one in await cluster.all(POLICIES)]
    found = []
    for name in policies[: SAMPLES // 2]:
        back = is_back(POLICIES.name, name)
        found.append(await eyes.until(cluster.api.delete(POLICIES, f"shop/{name}"), back))
    edit = {"spec": {"exportTo": ["."]}}
    for number in range(count, count + SAMPLES // 2):
        write = cluster.api.merge(VIRTUAL_SERVICES, f"shop/b{number}", edit)
        found.append(await eyes.until(write, is_back(VIRTUAL_SERVICES.name, f"b{number}")))
    return found


async def enforced(server: ApiServer, cluster: Cluster, numbers: Iterable[int]) -> list[float]:
    """From an edit to the authorizer's policy that has it."""
    settings = SETTINGS.model_copy(update={"kubernetes": config.Kubernetes(kubeconfig=server.kubeconfig)})
    turns = {number: ACCESS[(number + 2) % 3] for number in numbers}
    current, waiting = list[Loaded](), list[tuple[str, int, asyncio.Future[float]]]()

    def take(loaded: Loaded) -> None:
        current[:] = [loaded]
        for one in list(waiting):
            host = loaded.policy.hosts.get(one[0])
            if host and host.coming is None and len(host.rules[0].checks) == one[1]:
                waiting.remove(one)
                one[2].set_result(time.perf_counter())

    source = Following(settings, take)
    tasks = [asyncio.create_task(loop) for loop in source.loops()]
    await source.synced()
    found = []
    for number, access in turns.items():
        expected = 0 if access is PUBLIC else 1
        spec = apirule(f"b{number}", access, timeout=60 if expected else 61)
        if expected == len(current[0].policy.hosts[f"b{number}.example.com"].rules[0].checks):
            continue
        future = asyncio.get_running_loop().create_future()
        waiting.append((f"b{number}.example.com", expected, future))
        began_s = time.perf_counter()
        await cluster.api.apply(APIRULES, spec)
        found.append((await asyncio.wait_for(future, 60) - began_s) * 1000)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await source.close()
    return found


async def many(server: ApiServer, folder: Path, cluster: Cluster, count: int) -> dict[str, Any]:
    """So many APIRules: memory, and what it costs to do nothing."""
    await create(cluster.api, count)
    async with program(server, folder, cluster) as running:
        await all_ready(folder, count)
        await asyncio.sleep(5)
        began_s, used_s = time.perf_counter(), running.cpu_s
        await asyncio.sleep(IDLE_S)
        idle = (running.cpu_s - used_s) / (time.perf_counter() - began_s)
        first_mib = running.memory_mib
    async with program(server, folder, cluster) as running:
        await all_ready(folder, count)
        return {
            "count": count,
            "idle": idle,
            "mib": max(first_mib, running.memory_mib),
            "restart_writes": await metric(folder, "authz_controller_requests_total"),
        }


async def proof(server: ApiServer, folder: Path, cluster: Cluster, count: int) -> dict[str, Any]:
    """So many APIRules made, edited and deleted, watched all the time."""
    lives, history = drawn(count, edits=1), History(cluster)
    async with program(server, folder, cluster), history.recorded():
        marks = await go_through(cluster, lives, 16)
    return {
        "count": count,
        "events": len(history.events),
        "violations": list(violations(history, lives, marks)),
    }


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


STAGES = {"from_nothing": from_nothing, "steady": steady, "proof": proof, "many": many}


async def stage(name: str, count: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="authz-bench-"))
    with ApiServer(folder / "cluster") as server:
        access = prepare(server)
        async with entered(access) as cluster:
            if name == "steady":
                await create(cluster.api, count)
                async with program(server, folder, cluster):
                    await all_ready(folder, count)
            return await STAGES[name](server, folder, cluster, count)


def page(results: dict[str, Any]) -> str:
    """What was found, beside what is aimed at; a stage that has not run is left out."""
    rows = [row for name, make in ROWS.items() if name in results for row in make(results[name])]
    table = "".join(f"| {what} | {goal} | {measured} |\n" for what, goal, measured in rows)
    return PREFACE + table + f"\n{results.get('remark', '')}".rstrip() + "\n"


def _from_nothing(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    ratio = found["took_s"] / found["bare_s"]
    return [
        (
            f"{found['objects']} objects, all statuses, from nothing; {found['writes']} bare writes",
            "1.3 times",
            f"{ratio:.2f} times ({found['took_s']:.1f} s, {found['bare_s']:.1f} s bare)",
        )
    ]


def _steady(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    goals = {
        "new": ("a new APIRule to its objects and status", "150 ms at p99"),
        "edit": ("an edit to its objects and status", "100 ms at p99"),
        "repair": ("a hand edit or deletion to its repair", "1 s at p99"),
        "enforced": ("an edit to its enforcement by the authorizer", "1 s at p99"),
    }
    rows = [
        (what, goal, f"p50 {percentile(found[name], 0.5):.0f} ms, p99 {percentile(found[name], 0.99):.0f} ms")
        for name, (what, goal) in goals.items()
    ]
    return [
        *rows,
        ("writes of a restart with nothing to do", "0", f"{found['restart_writes']:.0f}"),
        ("lists of a kind since the start", "1", f"{found['lists']:.0f}"),
    ]


def _proof(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    lives = f"{found['count']} APIRules made, edited and deleted, {found['events']} writes"
    return [(f"{lives}: moments open to somebody", "0", str(len(found["violations"])))]


def _many(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [
        (f"memory with {found['count']} APIRules", "300 MiB", f"{found['mib']:.0f} MiB"),
        (f"idle with {found['count']} APIRules", "1 % of a core", f"{found['idle']:.2%}"),
    ]


ROWS = {"from_nothing": _from_nothing, "steady": _steady, "proof": _proof, "many": _many}

PREFACE = """# What the controller costs

Made by `make bench-controller`: `authz controller` as a process of its own, a real kube-apiserver 1.36 and
etcd 3.6, 1,000 APIRules of which a third each has noAuth, jwt and extAuth, all on the same workload unless
said otherwise. Everything shares two cores, and with whatever else runs there: of times believe the ratios.
Kyma's own controller, measured on this kind of machine, took 31 times as long as the bare writes from
nothing, 5 s for a new APIRule, repaired nothing within 120 s, wrote 3,666 times on a restart, and routed each
protected APIRule without its policy for 16 ms at p50.

| what | goal | measured |
|---|---|---|
"""


def main() -> None:
    """One stage; the page is made of all that have run."""
    parser = argparse.ArgumentParser()
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--count", type=int, default=1_000)
    arguments = parser.parse_args()
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    results[arguments.stage] = asyncio.run(stage(arguments.stage, arguments.count))
    RESULTS.write_text(json.dumps(results, indent=1))
    PAGE.write_text(page(results))
    print(page(results))


if __name__ == "__main__":
    main()
