"""What is measured, each with a cluster of its own: numbers in, numbers out."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from authz import config
from authz.controller.kinds import APIRULES, EMITTED, POLICIES, VIRTUAL_SERVICES, Document
from authz.server.following import Following
from authz.server.ruleset import Loaded
from benchmarks.controller import bare
from benchmarks.controller.bare import rule
from benchmarks.controller.eyes import Eyes, is_back
from benchmarks.controller.program import Program, program
from tests.controller.clusters import EXT, PUBLIC, SETTINGS, Cluster, apirule, document
from tests.controller.history import History, drawn, go_through, violations
from tests.kube.server import ApiServer

SAMPLES = 200
REST_S = 5.0  # after much work, until nothing is under way any more
IDLE_S = 20.0
SHARES = {"p50": 0.5, "p99": 0.99}

Found = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """An API server, how its administrator gets at it, and a folder."""

    server: ApiServer
    folder: Path
    cluster: Cluster


async def from_nothing(place: Place, count: int) -> Found:
    """All objects and statuses, then the same writes bare: to other objects, by the same client."""
    cluster = place.cluster
    await bare.create(cluster.api, count)
    before_s, began_s = place.server.cpu_s, time.perf_counter()
    async with program(place.server, place.folder, cluster) as running:
        await running.all_ready(count)
        took_s, cpu_s = time.perf_counter() - began_s, running.cpu_s
        served_s, sent = place.server.cpu_s - before_s, await running.sent()
    objects = [one for kind in EMITTED.values() for one in await cluster.all(kind)]
    rules = await cluster.all(APIRULES)
    elsewhere = await bare.elsewhere(cluster.api, rules)
    before_s, used_s = place.server.cpu_s, time.process_time()
    objects_s, others_s = await bare.write(cluster.api, objects, elsewhere)
    return {
        "count": count,
        "objects": len(objects),
        "sent": sent,
        "bare_sent": len(objects) + 2 * len(elsewhere),
        "took_s": took_s,
        "cpu_s": cpu_s,
        "served_s": served_s,
        "bare_objects_s": objects_s,
        "bare_others_s": others_s,
        "bare_cpu_s": time.process_time() - used_s,
        "bare_served_s": place.server.cpu_s - before_s,
    }


async def steady(place: Place, count: int) -> Found:
    """While `count` APIRules are there: a restart, new ones, edits and repairs, one after the other."""
    await _settled(place, count)
    cluster, eyes = place.cluster, Eyes(place.cluster)
    names = {number: f"b{number}" for number in range(count, count + SAMPLES)}
    async with program(place.server, place.folder, cluster) as running:
        await running.all_ready(count)
        await asyncio.sleep(1)
        restart_writes = await running.metric("authz_controller_requests_total")
        async with eyes.open(APIRULES, *EMITTED.values()):
            new = [
                await eyes.until_ready(cluster.api.apply(APIRULES, rule(number)), name, 1)
                for number, name in names.items()
            ]
            edit = [
                await eyes.until_ready(cluster.api.apply(APIRULES, rule(number, 1)), name, 2)
                for number, name in names.items()
            ]
            repair = [
                await one for one in _repairs(cluster, eyes, await cluster.all(POLICIES), names.values())
            ]
            write = [await _write_ms(cluster, number) for number in names]
        return {
            "count": count,
            "restart_writes": restart_writes,
            "new": spread(objects for objects, _ in new),
            "new_status": spread(status for _, status in new),
            "edit": spread(objects for objects, _ in edit),
            "edit_status": spread(status for _, status in edit),
            "repair": spread(repair),
            "write": spread(write),
            "lists": await running.metric("authz_controller_watch_lists"),
        }


def _repairs(
    cluster: Cluster, eyes: Eyes, policies: Iterable[Document], names: Iterable[str]
) -> Iterator[Awaitable[float]]:
    """A policy deleted by hand, and a route edited."""
    for policy in islice(policies, SAMPLES // 2):
        name = policy["metadata"]["name"]
        yield eyes.until(cluster.api.delete(POLICIES, f"shop/{name}"), is_back(POLICIES.name, name))
    edit = {"spec": {"exportTo": ["."]}}
    for name in islice(names, SAMPLES // 2):
        write = cluster.api.merge(VIRTUAL_SERVICES, f"shop/{name}", edit)
        yield eyes.until(write, is_back(VIRTUAL_SERVICES.name, name))


async def _write_ms(cluster: Cluster, number: int) -> float:
    """One write, of something that is nobody's concern: the controller makes several, one after the other."""
    spec = {"hosts": [f"w{number}.example.org"], "http": [{"route": [{"destination": {"host": "w"}}]}]}
    one = document("networking.istio.io/v1", "VirtualService", f"w{number}", "monitoring", spec=spec)
    began_s = time.perf_counter()
    await cluster.api.apply(VIRTUAL_SERVICES, one)
    return (time.perf_counter() - began_s) * 1000


async def enforced(place: Place, count: int) -> Found:
    """From an edit to the authorizer's policy that has it."""
    await _settled(place, count)
    kubernetes = config.Kubernetes(kubeconfig=place.server.kubeconfig)
    eyes = Authorizer()
    source = Following(SETTINGS.model_copy(update={"kubernetes": kubernetes}), eyes.take)
    async with program(place.server, place.folder, place.cluster) as running, asyncio.TaskGroup() as group:
        await running.all_ready(count)
        tasks = [group.create_task(loop) for loop in source.loops()]
        await source.synced()
        took = [await eyes.until_enforced(place.cluster, number) for number in range(SAMPLES)]
        for task in tasks:
            task.cancel()
        await source.close()
    return {"count": count, "edit": spread(took)}


class Authorizer:
    """The policy in force, and who waits for it to become another."""

    def __init__(self) -> None:
        self._loaded: Loaded | None = None
        self._waiting: tuple[str, int, asyncio.Future[float]] | None = None

    def take(self, loaded: Loaded) -> None:
        """It is in force."""
        self._loaded = loaded
        if self._waiting and self._checks(self._waiting[0]) == self._waiting[1]:
            self._waiting[2].set_result(time.perf_counter())
            self._waiting = None

    async def until_enforced(self, cluster: Cluster, number: int) -> float:
        """Milliseconds from opening what was closed, or closing what was open."""
        host = f"b{number}.example.com"
        access = EXT if self._checks(host) == 0 else PUBLIC
        self._waiting = host, len(access.get("extAuth", ())), asyncio.get_running_loop().create_future()
        future, began_s = self._waiting[2], time.perf_counter()
        await cluster.api.apply(APIRULES, apirule(f"b{number}", access))
        return (await asyncio.wait_for(future, 60) - began_s) * 1000

    def _checks(self, host: str) -> int | None:
        """How many have to pass, once the controller has taken it."""
        found = self._loaded and self._loaded.policy.hosts.get(host)
        return len(found.rules[0].checks) if found and found.coming is None else None


async def many(place: Place, count: int) -> Found:
    """So many APIRules: memory, and what it costs to do nothing."""
    await bare.create(place.cluster.api, count)
    began_s = time.perf_counter()
    async with program(place.server, place.folder, place.cluster) as running:
        await running.all_ready(count)
        took_s, made_mib = time.perf_counter() - began_s, running.most_mib
        await asyncio.sleep(REST_S)
        idle = await _idle(running)
    async with program(place.server, place.folder, place.cluster) as running:
        await running.all_ready(count)
        await asyncio.sleep(REST_S)
        return {
            "count": count,
            "took_s": took_s,
            "made_mib": made_mib,
            "idle": idle,
            "mib": running.memory_mib,
            "idle_again": await _idle(running),
            "restart_sent": await running.sent(),
            "restart_writes": await running.metric("authz_controller_requests_total"),
        }


async def _idle(running: Program) -> float:
    """The share of a core."""
    began_s, used_s = time.perf_counter(), running.cpu_s
    await asyncio.sleep(IDLE_S)
    return (running.cpu_s - used_s) / (time.perf_counter() - began_s)


async def proof(place: Place, count: int) -> Found:
    """So many APIRules made, edited and deleted, watched all the time."""
    lives, history = drawn(count, edits=1), History(place.cluster)
    async with program(place.server, place.folder, place.cluster), history.recorded():
        marks = await go_through(place.cluster, lives, 16)
    return {
        "count": count,
        "events": len(history.events),
        "violations": list(violations(history, lives, marks)),
    }


async def _settled(place: Place, count: int) -> None:
    """So many are there, and all is done."""
    await bare.create(place.cluster.api, count)
    async with program(place.server, place.folder, place.cluster) as running:
        await running.all_ready(count)


def spread(values: Iterable[float]) -> dict[str, float]:
    """The middle, and what one in a hundred exceeds."""
    ordered = sorted(values)
    last = len(ordered) - 1
    return {name: round(ordered[min(last, int(share * len(ordered)))], 1) for name, share in SHARES.items()}


Stage = Callable[[Place, int], Awaitable[Found]]
STAGES: dict[str, Stage] = {
    "from_nothing": from_nothing,
    "steady": steady,
    "enforced": enforced,
    "proof": proof,
    "many": many,
}
