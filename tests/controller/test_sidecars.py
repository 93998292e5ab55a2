"""Pods without a sidecar: nobody would enforce the policies that are made for them."""

import pytest

from authz.controller.sidecars import GOOD_S, Sidecars
from authz.istio import apirule, cluster
from authz.server.ruleset import mesh_of
from tests.controller import clusters
from tests.controller.clusters import JWT, SETTINGS
from tests.controller.fakes import FakeApi

WITH, WITHOUT = [{"name": "app"}, {"name": "istio-proxy"}], [{"name": "app"}]


def put(api, name, containers, phase="Running", **spec):
    api.put(name, spec={"containers": containers} | spec, status={"phase": phase})


async def found(api, clock=lambda: 0.0, **spec):
    around, _ = cluster.parse([clusters.service("s1", {"app": "one"})], {}, (), mesh_of(SETTINGS))
    rule = apirule.parse(clusters.apirule("a", JWT, **spec))
    return [str(problem) for problem in await Sidecars(api, clock).problems(rule, around)]


@pytest.mark.parametrize(
    ("pod", "bare"),
    [
        ({"containers": WITH}, False),
        ({"containers": WITHOUT}, True),
        ({"containers": WITHOUT, "initContainers": [{"name": "istio-proxy"}]}, False),
        ({"containers": WITHOUT, "initContainers": [{"name": "migrate"}]}, True),
        ({"containers": WITHOUT, "phase": "Succeeded"}, False),
        ({"containers": WITHOUT, "phase": "Pending"}, True),
    ],
)
async def test_a_pod_needs_a_sidecar_that_is_injected(pod, bare):
    api = FakeApi()
    put(api, "one", **pod)
    told = ["spec.rules[0]: Pod shop/one does not have an injected istio sidecar"]
    assert await found(api) == (told if bare else [])


async def test_only_the_pods_of_the_workload_are_asked_for():
    api = FakeApi()
    await found(api)
    assert api.asked == [{"labelSelector": "app=one", "limit": "20"}]


async def test_the_gateway_needs_none():
    api = FakeApi()
    put(api, "one", WITHOUT)
    assert await found(api, enforcement="Gateway") == []
    assert api.asked == []


async def test_a_good_answer_serves_for_a_while_and_a_bad_one_does_not():
    api, now = FakeApi(), 1_000.0
    around, _ = cluster.parse([clusters.service("s1", {"app": "one"})], {}, (), mesh_of(SETTINGS))
    rule, sidecars = apirule.parse(clusters.apirule("a", JWT)), Sidecars(api, lambda: now)
    put(api, "one", WITHOUT)
    assert await sidecars.problems(rule, around)
    api.objects.clear()
    assert not await sidecars.problems(rule, around)
    put(api, "two", WITHOUT)
    assert not await sidecars.problems(rule, around)
    now += GOOD_S
    assert await sidecars.problems(rule, around)
