"""What fails around a controller: never is anything open, and afterwards everything is as it shall be."""

import asyncio
import contextlib
import os
import signal
import sys
import time
from functools import partial

import aiohttp
import pytest
import yaml

from authz.config import parse
from authz.controller.kinds import APIRULES, AUTHENTICATIONS, LEASES, POLICIES, VIRTUAL_SERVICES
from authz.istio.names import OWNER_NAME
from tests.controller.clusters import (
    EXT,
    JWT,
    PUBLIC,
    SETTINGS,
    apirule,
    controlled,
    entered,
    eventually,
    prepare,
)
from tests.controller.faults import Proxy, slow, too_many
from tests.controller.history import EtcdHistory, History, drawn, go_through, violations
from tests.kube.server import ApiServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("faults")) as server:
        prepare(server)
        yield server


@pytest.fixture
async def cluster(server):
    async with entered(prepare(server)) as cluster:
        yield cluster


FAULTS = {
    "slow answers": lambda proxy: setattr(proxy, "fault", slow(0.2)),
    "429 for every third": lambda proxy: setattr(proxy, "fault", too_many(3)),
    "watches that end in the middle of an event": lambda proxy: setattr(proxy, "cut", 3_000),
}


@pytest.mark.parametrize("begin", FAULTS.values(), ids=FAULTS)
async def test_a_bad_line_to_the_api_server_opens_nothing_and_stops_nothing(cluster, begin):
    proxy, lives = Proxy(cluster.access), drawn(3, edits=2)
    history = History(cluster)
    async with proxy.serving() as access, controlled(access):
        begin(proxy)
        async with history.recorded():
            marks = await go_through(cluster, lives)
        assert proxy.fault or proxy.cuts
    assert list(violations(history, lives, marks)) == []


async def test_one_that_goes_before_it_is_held_leaves_nothing_behind(cluster):
    proxy, refused = Proxy(cluster.access), []

    async def fault(request):
        if request.method == "PATCH" and request.path.endswith("/apirules/quick"):
            await eventually(partial(cluster.all, POLICIES))
            refused.append(await cluster.api.delete(APIRULES, "shop/quick"))

    async with proxy.serving() as access, controlled(access):
        proxy.fault, history = fault, History(cluster)
        async with history.recorded():
            await cluster.apply(apirule("quick", JWT))
            await cluster.gone(APIRULES, "shop/quick")
            await eventually(partial(is_clean, cluster))
    assert refused
    assert {one["kind"] for _, _, one in history.events} == {"AuthorizationPolicy", "RequestAuthentication"}


async def is_clean(cluster):
    return not [
        one for kind in (VIRTUAL_SERVICES, POLICIES, AUTHENTICATIONS) for one in await cluster.all(kind)
    ]


async def test_who_stops_lets_the_next_one_lead_when_its_last_write_has_ended(cluster):
    proxy, begun, seen = Proxy(cluster.access), asyncio.Event(), []

    async def fault(request):
        if request.method == "PATCH":
            begun.set()
            await asyncio.sleep(1)
        seen.append((request.method, request.path.rpartition("/")[2]))

    async with proxy.serving() as access:
        async with controlled(access):
            proxy.fault = fault
            await cluster.apply(apirule("slow", PUBLIC))
            await begun.wait()
        ended = list(seen)
        await asyncio.sleep(2)
    assert ended[-1] == ("PUT", "authz-controller")
    assert "PATCH" in {method for method, _ in ended}
    assert seen == ended
    async with controlled(cluster.access):
        await cluster.delete(APIRULES, "shop/slow")


async def test_two_controllers_by_mistake_open_nothing_and_come_to_rest(cluster):
    second = SETTINGS.model_copy(
        update={"controller": parse("controller: {leaseNamespace: shop}").controller}
    )
    lives = drawn(4, edits=2)
    history = History(cluster)
    async with controlled(cluster.access) as one, controlled(cluster.access, second) as other:
        async with history.recorded():
            marks = await go_through(cluster, lives)
        await cluster.apply(apirule("rest", JWT))
        await cluster.settled("shop/rest")
        await eventually(partial(rests, one, other))
        await cluster.api.delete(APIRULES, "shop/rest")
        await cluster.gone(APIRULES, "shop/rest")
    assert list(violations(history, lives, marks)) == []


async def rests(*controllers):
    before = [dict(each.requests) for each in controllers]
    await asyncio.sleep(2)
    return before == [each.requests for each in controllers]


async def test_a_killed_leader_is_replaced_and_nothing_is_open_meanwhile(server, cluster, tmp_path):
    await cluster.delete(LEASES, "authz-system/authz-controller")
    names = ("k1", "k2")
    processes = [await begun(server, tmp_path, number) for number in (1, 2)]
    try:
        leader = await eventually(lambda: leading(cluster))
        await cluster.apply(apirule("k1", EXT))
        await cluster.settled("shop/k1")
        history = History(cluster)
        async with history.recorded():
            await cluster.apply(apirule("k1", JWT))
            by_pid = {process.pid: process for process in processes}
            os.kill(pid_of(leader), signal.SIGKILL)
            await by_pid[pid_of(leader)].wait()
            await cluster.apply(apirule("k2", PUBLIC))
            for name in names:
                await eventually(partial(is_ready, cluster, f"shop/{name}"), 60)
            assert pid_of(await eventually(lambda: leading(cluster))) != pid_of(leader)
        for name in names:
            await cluster.api.delete(APIRULES, f"shop/{name}")
            await cluster.gone(APIRULES, f"shop/{name}")
        assert await cluster.all(POLICIES) == []
    finally:
        for process in processes:
            if process.returncode is None:
                process.terminate()
                await process.wait()


async def begun(server, folder, number):
    """`authz controller` as it is run, whose identity holds its pid."""
    folder = folder / str(number)
    folder.mkdir()
    file = written(folder, server.kubeconfig)
    with (folder / "log").open("wb") as log:
        return await asyncio.create_subprocess_exec(
            sys.executable, "-m", "authz", "controller", "--config", str(file), stdout=log, stderr=log
        )


def written(folder, kubeconfig):
    """The configuration."""
    settings = {
        "kubernetes": {"kubeconfig": str(kubeconfig)},
        "controller": {"admin": f"unix:{folder}/admin.sock"},
        "authorizers": yaml.safe_load(AUTHORIZERS),
    }
    (folder / "authz.yaml").write_text(yaml.safe_dump(settings))
    return folder / "authz.yaml"


def kubeconfig(folder, access):
    """For who goes by another way."""
    config = {
        "clusters": [{"name": "it", "cluster": {"server": access.server}}],
        "users": [{"name": "it", "user": {"token": access.token}}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "current-context": "it",
    }
    (folder / "kubeconfig").write_text(yaml.safe_dump(config))
    return folder / "kubeconfig"


AUTHORIZERS = """
- name: ours
  accept: [{jwt: {issuer: "https://idp.example.com", audiences: [shop]}}]
"""


def pid_of(identity):
    return int(identity.split("_")[-2])


async def leading(cluster):
    lease = await cluster.get(LEASES, "authz-system/authz-controller")
    return lease and lease["spec"].get("holderIdentity")


async def is_ready(cluster, key):
    found = await cluster.get(APIRULES, key)
    status = found["status"] if found and "status" in found else {}
    return (
        status.get("state") == "Ready" and status.get("observedGeneration") == found["metadata"]["generation"]
    )


class Replica:
    """`authz controller` behind a line of its own, which says when it writes. Its clocks are wrong."""

    def __init__(self, cluster, folder, ahead_s):
        self._proxy, self._folder, self._ahead_s = Proxy(cluster.access), folder, ahead_s
        self._proxy.fault = self._look
        self.writes_s = []

    async def _look(self, request):
        if request.method != "GET" and "/leases/" not in request.path:
            self.writes_s.append(time.monotonic())

    @contextlib.asynccontextmanager
    async def running(self):
        self._folder.mkdir()
        async with self._proxy.serving() as access:
            file = written(self._folder, kubeconfig(self._folder, access))
            with (self._folder / "log").open("wb") as log:
                command = (sys.executable, "-m", "tests.controller.skewed", str(file), str(self._ahead_s))
                self.process = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
            try:
                yield self
            finally:
                with contextlib.suppress(ProcessLookupError):
                    self.process.send_signal(signal.SIGCONT)
                    self.process.terminate()
                await self.process.wait()

    async def leads(self, cluster):
        async def look():
            leader = await leading(cluster)
            return leader and pid_of(leader) == self.process.pid

        await eventually(look, 60)


async def test_replicas_whose_clocks_differ_never_write_both(cluster, tmp_path):
    """The first, an hour and more ahead, is stopped as by a hypervisor; when it goes on it must notice."""
    await cluster.delete(LEASES, "authz-system/authz-controller")
    lives = drawn(6, edits=1)
    parts = [dict(list(lives.items())[start : start + 2]) for start in (0, 2, 4)]
    fast, right = (
        Replica(cluster, tmp_path / name, ahead_s) for name, ahead_s in (("fast", 4_000), ("right", 0))
    )
    history, marks = History(cluster), dict[str, list[int]]()
    async with history.recorded(), fast.running():
        await fast.leads(cluster)
        async with right.running():
            marks |= await go_through(cluster, parts[0])
            fast.process.send_signal(signal.SIGSTOP)
            marks |= await go_through(cluster, parts[1])
            await right.leads(cluster)
            fast.process.send_signal(signal.SIGCONT)
            marks |= await go_through(cluster, parts[2])
        await cluster.apply(apirule("last", PUBLIC))
        await fast.leads(cluster)
        await cluster.ready("shop/last")
        await cluster.delete(APIRULES, "shop/last")
    handed_s, back_s = right.writes_s[0], right.writes_s[-1]
    assert not [at_s for at_s in fast.writes_s if handed_s <= at_s <= back_s]
    assert fast.writes_s[0] < handed_s < back_s < fast.writes_s[-1]
    history.events = [
        event for event in history.events if event[2]["metadata"]["labels"][OWNER_NAME] in lives
    ]
    assert list(violations(history, lives, marks)) == []


async def test_a_controller_outlives_its_api_server(server, cluster):
    """Killed in the middle of much work, with what it knew compacted away; then started again.

    The last of the file: the server ends with the thread that has started it.
    """
    lives = drawn(8, edits=2)
    history = EtcdHistory(cluster, server.etcd_url)
    async with controlled(cluster.access) as controller, history.recorded():
        work = asyncio.create_task(go_through(cluster, lives))
        for _ in range(2):
            await asyncio.sleep(2)
            server.stop_api(signal.SIGKILL)
            await compact(server)
            await asyncio.to_thread(server.start)
        marks = await work
        assert max(watch.lists for watch in controller.watches) > 1
    assert list(violations(history, lives, marks)) == []
    assert await cluster.all(VIRTUAL_SERVICES) == []


async def compact(server):
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{server.etcd_url}/v3/kv/range", json={"key": "AA=="}) as answer:
            revision = (await answer.json(content_type=None))["header"]["revision"]
        asked = {"revision": revision, "physical": True}
        async with session.post(f"{server.etcd_url}/v3/kv/compaction", json=asked) as answer:
            assert answer.status == 200, await answer.text()
