"""The authorizer of a cluster: it follows the APIRules, and outlives the API server."""

import asyncio
import contextlib

import pytest

from authz import config
from authz.controller.kinds import APIRULES
from authz.core import route
from authz.core.policy import Policy
from authz.core.reason import Refused
from authz.core.request import Request
from authz.server.following import Following
from tests.controller.clusters import EXT, PUBLIC, SETTINGS, apirule, controlled, entered, eventually, prepare
from tests.kube.server import ApiServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    with ApiServer(tmp_path / "cluster") as server:
        yield server


class Enforced:
    """The policy in force."""

    def __init__(self):
        self.policy = Policy()

    def take(self, loaded):
        self.policy = loaded.policy

    def checks(self, host):
        """How many have to pass; None if it is refused whatever they say."""
        try:
            return len(route.match(self.policy, Request("GET", host, "/a")).checks)
        except Refused:
            return None

    async def become(self, host, expected):
        async def look():
            return self.checks(host) == expected

        await eventually(look)


@contextlib.asynccontextmanager
async def following(server):
    kubernetes = config.Kubernetes(kubeconfig=server.kubeconfig)
    enforced = Enforced()
    source = Following(SETTINGS.model_copy(update={"kubernetes": kubernetes}), enforced.take)
    tasks = [asyncio.create_task(loop) for loop in source.loops()]
    await source.synced()
    try:
        yield enforced
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await source.close()


async def test_rules_are_enforced_as_the_controller_takes_them_also_while_the_api_server_is_away(server):
    access = prepare(server)
    async with entered(access) as cluster, following(server) as enforced:
        await cluster.apply(apirule("a", EXT))
        await asyncio.sleep(0.5)
        assert enforced.checks("a.example.com") is None  # nobody has taken it yet
        async with controlled(access):
            await enforced.become("a.example.com", 1)
            await cluster.apply(apirule("a", PUBLIC))
            await enforced.become("a.example.com", 0)
            await cluster.apply(apirule("a", PUBLIC | {"service": {"name": "nobody", "port": 80}}))
            await enforced.become("a.example.com", None)
            await cluster.apply(apirule("a", EXT))
            await enforced.become("a.example.com", 1)
            server.stop_api()
            await asyncio.sleep(1)
            assert enforced.checks("a.example.com") == 1
            await asyncio.to_thread(server.start)
            await cluster.delete(APIRULES, "shop/a")
            await enforced.become("a.example.com", None)
