"""What becomes of APIRules in a real cluster: made, edited, repaired, taken away, refused."""

import json
import time

import aiohttp
import pytest

from authz.config import parse
from authz.controller.held import FINALIZER
from authz.controller.kinds import APIRULES, AUTHENTICATIONS, EVENTS, POLICIES, SERVICES, VIRTUAL_SERVICES
from authz.controller.sidecars import PODS
from tests.controller.clusters import (
    EXT,
    JWT,
    PUBLIC,
    SETTINGS,
    apirule,
    controlled,
    document,
    entered,
    eventually,
    mesh,
    prepare,
    service,
)
from tests.kube.server import ApiServer

pytestmark = pytest.mark.slow

OTHER_LEASE = SETTINGS.model_copy(
    update={"controller": parse("controller: {leaseNamespace: shop}").controller}
)


@pytest.fixture(scope="module")
def access(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("cluster")) as server:
        yield prepare(server)


@pytest.fixture
async def cluster(access):
    async with entered(access) as cluster, controlled(access):
        yield cluster
        for rule in await cluster.all(APIRULES):
            await cluster.api.delete(APIRULES, f"shop/{rule['metadata']['name']}")
        for rule in await cluster.all(APIRULES):
            await cluster.gone(APIRULES, f"shop/{rule['metadata']['name']}")


def conditions(found):
    return {one["type"]: (one["status"], one["reason"]) for one in found["status"]["conditions"]}


async def names(cluster, kind):
    return sorted(one["metadata"]["name"] for one in await cluster.all(kind))


async def test_an_apirule_gets_its_objects_its_status_and_an_event(cluster):
    await cluster.apply(apirule("a", JWT))
    found = await cluster.settled("shop/a")
    assert (found["status"]["state"], found["status"]["description"]) == ("Ready", "Reconciled successfully")
    assert set(conditions(found).values()) == {
        ("True", "Accepted"),
        ("True", "ResolvedRefs"),
        ("True", "Programmed"),
    }
    assert found["metadata"]["finalizers"] == [FINALIZER]
    assert await names(cluster, VIRTUAL_SERVICES) == ["a"]
    assert len(await names(cluster, AUTHENTICATIONS)) == len(await names(cluster, POLICIES)) == 1

    async def told():
        return [one for one in await cluster.all(EVENTS) if one["regarding"]["name"] == "a"]

    (event,) = await eventually(told)
    assert (event["type"], event["reason"], event["regarding"]["kind"]) == ("Normal", "Programmed", "APIRule")


async def test_an_edit_takes_away_what_is_no_longer_needed(cluster):
    await cluster.apply(apirule("a", JWT))
    await cluster.settled("shop/a")
    await cluster.apply(apirule("a", [PUBLIC | {"service": {"name": "s2", "port": 80}}]))
    await cluster.settled("shop/a")
    assert await names(cluster, AUTHENTICATIONS) == []
    (policy,) = await cluster.all(POLICIES)
    assert policy["spec"]["selector"] == {"matchLabels": {"app": "two"}}


async def test_a_deleted_apirule_leaves_nothing_behind(cluster):
    await cluster.apply(apirule("a", EXT))
    await cluster.settled("shop/a")
    await cluster.api.delete(APIRULES, "shop/a")
    await cluster.gone(APIRULES, "shop/a")
    for kind in (VIRTUAL_SERVICES, POLICIES, AUTHENTICATIONS):
        assert await cluster.all(kind) == []


async def test_its_guards_outlive_its_route(access):
    own = parse("controller: {guardsOutlive: 1s}").controller
    async with (
        entered(access) as cluster,
        controlled(access, SETTINGS.model_copy(update={"controller": own})),
    ):
        await cluster.apply(apirule("a", JWT))
        await cluster.ready("shop/a")
        guards = await names(cluster, POLICIES)
        await cluster.api.delete(APIRULES, "shop/a")
        await cluster.gone(VIRTUAL_SERVICES, "shop/a")
        began_s = time.monotonic()
        assert await names(cluster, POLICIES) == guards
        await cluster.gone(APIRULES, "shop/a")
        assert time.monotonic() - began_s > 0.8
        assert await names(cluster, POLICIES) == []


async def test_one_whose_finalizer_was_taken_off_by_force_leaves_nothing_either(cluster):
    await cluster.apply(apirule("a", EXT))
    await cluster.settled("shop/a")
    await cluster.api.delete(APIRULES, "shop/a")
    await cluster.api.merge(APIRULES, "shop/a", {"metadata": {"finalizers": None}})

    async def clean():
        return not await cluster.all(VIRTUAL_SERVICES) and not await cluster.all(POLICIES)

    await eventually(clean)


EDITS = {
    "a route for more": (VIRTUAL_SERVICES, {"spec": {"hosts": ["a.example.com", "b.example.com"]}}),
    "a field of its own": (VIRTUAL_SERVICES, {"spec": {"exportTo": ["."]}}),
    "a policy for other pods": (POLICIES, {"spec": {"selector": {"matchLabels": {"more": "yes"}}}}),
    "a policy without force": (POLICIES, {"metadata": {"annotations": {"istio.io/dry-run": "true"}}}),
    "a policy for another istiod": (POLICIES, {"metadata": {"labels": {"istio.io/rev": "canary"}}}),
    "labels taken off": (
        POLICIES,
        {"metadata": {"labels": {"apirule.gateway.kyma-project.io/name": None}}},
    ),
    "a route's labels taken off": (VIRTUAL_SERVICES, {"metadata": {"labels": None}}),
    "keys of somebody else": (AUTHENTICATIONS, {"spec": {"jwtRules": [{"issuer": "https://evil"}]}}),
}


@pytest.mark.parametrize(("kind", "edit"), EDITS.values(), ids=EDITS)
async def test_a_hand_edit_is_undone(cluster, kind, edit):
    await cluster.apply(apirule("a", JWT))
    await cluster.settled("shop/a")
    (before,) = await cluster.all(kind)
    key = f"shop/{before['metadata']['name']}"
    await cluster.api.merge(kind, key, edit)

    async def repaired():
        found = await cluster.get(kind, key)
        assert found
        mean = [
            (each["spec"], each["metadata"]["labels"], each["metadata"].get("annotations", {}))
            for each in (before, found)
            if "labels" in each["metadata"]
        ]
        return len(mean) == 2 and mean[0] == mean[1]

    await eventually(repaired, 5)


async def test_others_labels_and_annotations_stay(cluster):
    await cluster.apply(apirule("a", JWT))
    await cluster.settled("shop/a")
    await cluster.api.merge(VIRTUAL_SERVICES, "shop/a", {"metadata": {"annotations": {"team": "blue"}}})
    await cluster.apply(apirule("a", PUBLIC))
    await cluster.settled("shop/a")
    found = await cluster.get(VIRTUAL_SERVICES, "shop/a")
    assert found
    assert found["metadata"]["annotations"] == {"team": "blue"}


@pytest.mark.parametrize("kind", [VIRTUAL_SERVICES, POLICIES, AUTHENTICATIONS], ids=lambda kind: kind.name)
async def test_what_is_deleted_by_hand_comes_back(cluster, kind):
    await cluster.apply(apirule("a", JWT))
    await cluster.settled("shop/a")
    (before,) = await cluster.all(kind)
    await cluster.api.delete(kind, f"shop/{before['metadata']['name']}")

    async def back():
        return await cluster.all(kind)

    (after,) = await eventually(back, 5)
    assert after["spec"] == before["spec"]


async def test_a_bad_edit_leaves_the_objects_and_says_so(cluster):
    await cluster.apply(apirule("a", PUBLIC))
    await cluster.settled("shop/a")
    await cluster.apply(apirule("a", PUBLIC | {"service": {"name": "nobody", "port": 80}}))
    found = await cluster.settled("shop/a")
    assert found["status"]["state"] == "Error"
    assert found["status"]["description"].startswith(
        "Validation errors: Attribute '.spec.rules[0].service': Service shop/nobody not found"
    )
    assert conditions(found) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("False", "RefNotFound"),
        "Programmed": ("False", "Obstructed"),
    }
    assert "earlier version" in json.dumps(found["status"]["conditions"][2])
    assert await names(cluster, VIRTUAL_SERVICES) == ["a"]


async def test_what_it_waited_for_makes_it_ready(cluster):
    await cluster.apply(apirule("a", PUBLIC | {"service": {"name": "late", "port": 80}}))
    assert (await cluster.settled("shop/a"))["status"]["state"] == "Error"
    await cluster.apply(service("late", {"app": "late"}))
    await eventually(lambda: ready(cluster, "shop/a"))
    await cluster.api.delete(SERVICES, "shop/late")


async def ready(cluster, key):
    found = await cluster.get(APIRULES, key)
    return found and found["status"]["state"] == "Ready"


async def test_policies_follow_a_services_selector(cluster):
    await cluster.apply(service("moving", {"app": "here"}))
    await cluster.apply(apirule("a", JWT | {"service": {"name": "moving", "port": 80}}))
    await cluster.settled("shop/a")
    await cluster.api.merge(SERVICES, "shop/moving", {"spec": {"selector": {"app": "there"}}})

    async def followed():
        guards = [*await cluster.all(POLICIES), *await cluster.all(AUTHENTICATIONS)]
        return all(one["spec"]["selector"] == {"matchLabels": {"app": "there"}} for one in guards)

    await eventually(followed)


async def test_a_host_stays_with_who_has_it_and_passes_on_when_he_goes(cluster):
    await cluster.apply(apirule("a", PUBLIC, host="one.example.com"))
    await cluster.settled("shop/a")
    await cluster.apply(apirule("b", JWT, host="one.example.com"))
    refused = await cluster.settled("shop/b")
    assert "Host one.example.com is occupied by APIRule shop/a" in refused["status"]["description"]
    assert await names(cluster, VIRTUAL_SERVICES) == ["a"]
    await cluster.api.delete(APIRULES, "shop/a")
    await eventually(lambda: ready(cluster, "shop/b"))
    assert await names(cluster, VIRTUAL_SERVICES) == ["b"]


@pytest.mark.parametrize(
    "becomes", [PUBLIC, EXT | {"service": {"name": "s2", "port": 80}}], ids=["same", "other"]
)
async def test_two_that_exchange_their_hosts_both_get_them(cluster, becomes):
    await cluster.apply(apirule("a", PUBLIC, host="blue.example.com"))
    await cluster.apply(apirule("b", JWT, host="green.example.com"))
    await cluster.ready("shop/a")
    await cluster.ready("shop/b")
    await cluster.apply(apirule("a", becomes, host="green.example.com"))
    await cluster.apply(apirule("b", JWT, host="blue.example.com"))
    await cluster.ready("shop/a")
    await cluster.ready("shop/b")
    routes = {one["metadata"]["name"]: one["spec"]["hosts"] for one in await cluster.all(VIRTUAL_SERVICES)}
    assert routes == {"a": ["green.example.com"], "b": ["blue.example.com"]}


async def test_an_elder_that_reaches_for_a_host_in_use_does_not_get_it(cluster):
    await cluster.apply(apirule("a", PUBLIC))
    await cluster.settled("shop/a")
    await cluster.apply(apirule("b", PUBLIC))
    await cluster.settled("shop/b")
    await cluster.apply(apirule("a", PUBLIC, hosts=["a.example.com", "b.example.com"]))
    assert "occupied by APIRule shop/b" in (await cluster.settled("shop/a"))["status"]["description"]
    assert (await cluster.settled("shop/b"))["status"]["state"] == "Ready"


async def test_a_strangers_host_is_not_taken(cluster):
    spec = {
        "hosts": ["a.example.com"],
        "gateways": ["istio-system/main"],
        "http": [{"route": [{"destination": {"host": "elsewhere"}}]}],
    }
    stranger = document("networking.istio.io/v1", "VirtualService", "stranger", "monitoring", spec=spec)
    await cluster.api.create(VIRTUAL_SERVICES, stranger)
    await cluster.apply(apirule("a", PUBLIC))
    refused = await cluster.settled("shop/a")
    assert (
        "Host a.example.com is occupied by VirtualService monitoring/stranger"
        in refused["status"]["description"]
    )
    await cluster.api.delete(VIRTUAL_SERVICES, "monitoring/stranger")
    await eventually(lambda: ready(cluster, "shop/a"))


async def test_a_namesake_of_somebody_else_is_left_alone(cluster):
    spec = {"hosts": ["x.example.com"], "http": [{"route": [{"destination": {"host": "elsewhere"}}]}]}
    await cluster.api.create(
        VIRTUAL_SERVICES, document("networking.istio.io/v1", "VirtualService", "a", "shop", spec=spec)
    )
    await cluster.apply(apirule("a", PUBLIC))
    assert (await cluster.settled("shop/a"))["status"]["state"] == "Error"
    found = await cluster.get(VIRTUAL_SERVICES, "shop/a")
    assert found
    assert found["spec"] == spec
    await cluster.api.delete(VIRTUAL_SERVICES, "shop/a")
    await eventually(lambda: ready(cluster, "shop/a"))


async def test_what_is_nested_too_deep_for_python_stops_nobody(access, cluster):
    """Anyone may write such `managedFields`: the API server keeps them as they are."""
    for kind, made in ((SERVICES, service("deep", {"app": "deep"})), (APIRULES, apirule("deep", PUBLIC))):
        await created_deep(access, kind, made)
    await cluster.apply(apirule("b", JWT | {"service": {"name": "deep", "port": 80}}))
    for key in ("shop/deep", "shop/b"):
        assert (await cluster.settled(key))["status"]["state"] == "Ready"
    async with controlled(access, OTHER_LEASE) as again:
        await eventually(lambda: synced(again))
    await cluster.api.delete(SERVICES, "shop/deep")


async def created_deep(access, kind, made):
    entry = {"manager": "m", "operation": "Update", "apiVersion": kind.api_version, "fieldsType": "FieldsV1"}
    made["metadata"]["managedFields"] = [entry | {"fieldsV1": "DEEP"}]
    levels = 9_000
    body = json.dumps(made).replace('"DEEP"', '{"f:a":' * levels + "{}" + "}" * levels)
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            access.server + kind.path("shop"),
            data=body,
            ssl=access.tls,
            headers=await access.headers() | {"content-type": "application/json"},
        ) as answer,
    ):
        assert answer.status == 201, await answer.text()


async def synced(controller):
    return controller.synced


async def test_a_provider_that_comes_and_goes_in_the_mesh_is_noticed(cluster):
    await cluster.apply(mesh("[]"))
    await cluster.apply(apirule("a", EXT))
    assert "no extension provider" in (await cluster.settled("shop/a"))["status"]["description"]
    await cluster.apply(mesh())
    await eventually(lambda: ready(cluster, "shop/a"))


async def test_a_wildcard_lets_go_of_a_host_before_another_has_it(cluster):
    await cluster.apply(apirule("wide", PUBLIC, host="*.example.com"))
    await cluster.settled("shop/wide")
    await cluster.apply(apirule("a", JWT))
    await cluster.settled("shop/a")
    (wide,) = [one for one in await cluster.all(POLICIES) if one["metadata"]["name"].startswith("wide-allow")]
    (operation,) = (to["operation"] for to in wide["spec"]["rules"][0]["to"])
    assert operation["notHosts"] == ["a.example.com", "a.example.com:*"]
    route = await cluster.get(VIRTUAL_SERVICES, "shop/a")
    assert route
    assert int(wide["metadata"]["resourceVersion"]) < int(route["metadata"]["resourceVersion"])


async def test_a_restart_with_nothing_to_do_writes_nothing(access):
    async with entered(access) as cluster:
        async with controlled(access):
            for name, rule in {"a": PUBLIC, "b": JWT, "c": EXT}.items():
                await cluster.apply(apirule(name, rule))
            for name in ("a", "b", "c"):
                await cluster.settled(f"shop/{name}")
        async with controlled(access) as again:

            async def rested():
                return again.synced and again.queue.idle

            await eventually(rested)
            assert again.requests == {}
            for name in ("a", "b", "c"):
                await cluster.api.delete(APIRULES, f"shop/{name}")
            for name in ("a", "b", "c"):
                await cluster.gone(APIRULES, f"shop/{name}")


async def test_a_route_waits_for_pods_with_sidecars(cluster):
    def pod(*containers):
        spec = {"containers": [{"name": name, "image": "example.com/app"} for name in containers]}
        found = document("v1", "Pod", "one", "shop", spec=spec)
        return found | {"metadata": found["metadata"] | {"labels": {"app": "bare"}}}

    await cluster.apply(service("bare", {"app": "bare"}))
    await cluster.api.create(PODS, pod("app"))
    await cluster.apply(apirule("a", [JWT | {"service": {"name": "bare", "port": 80}}]))
    found = await cluster.settled("shop/a")
    assert "Pod shop/one does not have an injected istio sidecar" in found["status"]["description"]
    assert await names(cluster, VIRTUAL_SERVICES) == []
    await cluster.api.delete(PODS, "shop/one")
    await cluster.gone(PODS, "shop/one")
    await cluster.api.create(PODS, pod("app", "istio-proxy"))

    async def served():
        return await names(cluster, VIRTUAL_SERVICES) == ["a"]

    await eventually(served)
