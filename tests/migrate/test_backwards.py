"""What keeps an APIRule from going back to Oathkeeper: it is gone, or lacks Rules, or others would pay."""

import asyncio

import pytest

from authz.istio.migration import ROUTES, STAGE
from authz.migrate.stages import old_rules
from authz.migrate.stages import steps as stages
from authz.migrate.stages.journey import Choices
from authz.migrate.stages.old_rules import Missing
from authz.migrate.stages.steps import Stage
from authz.migrate.stages.writes import Mark
from tests.migrate import ory
from tests.migrate.rules_api import knowing
from tests.migrate.test_journey import Undo, copied
from tests.migrate.test_stages import (
    KYMAS,
    SHADOW,
    at,
    old_rule,
    planned,
    route,
    service,
    state,
    wanted,
    writes,
    written,
)
from tests.servers import free_port

PROXY = ("Service", "kyma-system/ory-oathkeeper-proxy")
SLICE = ("EndpointSlice", "kyma-system/ory-oathkeeper-proxy-x")
NOBODY_IS_READY = {"endpoints": [{"conditions": {"ready": False}}]}


def without(now, *names):
    return {name: one for name, one in now.items() if name not in names}


async def told(now, *, to=None, choices=None):
    """Nothing is written."""
    undo = Undo(now, choices=choices or Choices())
    before = dict(now)
    assert not await undo.undo(to, dry_run=False)
    assert undo.now == before
    return "\n".join(undo.told)


@pytest.mark.parametrize(
    ("stage", "change", "message"),
    [
        (Stage.SWITCH, lambda now: without(now, PROXY), "is not there any more"),
        (Stage.SWITCH, lambda now: without(now, SLICE), "has no pod that is ready"),
        (Stage.SWITCH, lambda now: now | {SLICE: now[SLICE] | NOBODY_IS_READY}, "has no pod that is ready"),
        (Stage.FINISH, lambda now: without(now, PROXY), "is not there any more"),
        (Stage.FINISH, lambda now: without(now, SLICE), "has no pod that is ready"),
    ],
)
async def test_nobody_goes_back_to_an_oathkeeper_that_is_gone(stage, change, message):
    found = await told(change(at(stage)))
    assert (
        "Service kyma-system/ory-oathkeeper-proxy, to which VirtualService shop/orders-x7k2p leads" in found
    )
    assert message in found


@pytest.mark.parametrize("stage", [Stage.BEFORE, Stage.PREPARE])
async def test_nothing_is_begun_where_oathkeeper_is_down(stage):
    now = without(at(stage), SLICE)
    journey = Undo(now, choices=Choices(shadow="orders.shop:80"))
    journey._wanted = [wanted()]
    assert not await journey.apply(None, dry_run=True)
    assert "ory-oathkeeper-proxy, to which VirtualService shop/orders-x7k2p leads, has no" in journey.told[0]


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.SHADOW])
async def test_what_has_never_left_it_may_always_go_back(stage):
    nobody = f"http://127.0.0.1:{free_port()}"
    undo = Undo(without(at(stage), PROXY, SLICE), choices=Choices(oathkeeper=[nobody]))
    assert await undo.undo(None, dry_run=False)


async def test_from_finish_oathkeeper_is_asked_for_its_rules():
    assert "--oathkeeper says where its API is" in await told(at(Stage.FINISH))


async def test_from_finish_it_need_not_be_ready_for_without_rules_it_never_is():
    now = at(Stage.FINISH)
    async with knowing([old_rule()]) as url:
        undo = Undo(now | {SLICE: now[SLICE] | NOBODY_IS_READY}, choices=Choices(oathkeeper=[url]))
        assert await undo.undo(None, dry_run=False)


async def test_an_oathkeeper_that_does_not_answer_is_gone():
    choices = Choices(oathkeeper=[f"http://127.0.0.1:{free_port()}"])
    assert "ClientConnectorError" in await told(at(Stage.FINISH), choices=choices)


async def test_from_switch_it_has_to_have_the_rules():
    async with knowing([]) as url:
        found = await told(at(Stage.SWITCH), choices=Choices(oathkeeper=[url]))
    assert f"Oathkeeper at {url} has not got Rule shop/orders-0" in found


async def test_all_of_its_pods_have_to_have_them():
    async with knowing([old_rule()]) as one, knowing([]) as other:
        with pytest.raises(Missing, match=f"{other} has not got Rule shop/orders-0"):
            await old_rules.until([one, other], [old_rule()], 0.2)


async def test_more_rules_than_one_answer_has_are_read():
    many = [old_rule(service=f"s{number}") for number in range(1001)]
    async with knowing(many) as url:
        await old_rules.until([url], many, 20)


@pytest.mark.slow
async def test_it_waits_until_a_real_oathkeeper_has_taken_a_rule(issuers, tmp_path):
    rule = old_rule()
    match = rule["spec"]["match"]
    others = [ory.access_rule("http://other.example.com/", {"handler": "noop"})]
    running = ory.Oathkeeper(tmp_path, others, ory.kyma_config(issuers.jwks_url("a")))
    await asyncio.to_thread(running.start)
    try:
        waiting = asyncio.create_task(old_rules.until([running.url], [rule], 30))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        new = ory.access_rule(match["url"], {"handler": "noop"}, methods=match["methods"])
        running.take([*others, new])
        await waiting
    finally:
        await asyncio.to_thread(running.stop)


def shared(stage, other):
    """shop/orders and shop/more lead to one workload, each as far as it is said."""
    hers = route("more-x7k2p", host="more.example.com", labels=KYMAS | {next(iter(KYMAS)): "more"})
    now = state(service("more"), hers)
    for name, to in (("orders", stage), ("more", other)):
        for each in [one for one in Stage if Stage.BEFORE < one <= to]:
            item = planned(now, wanted(name, "orders"), shadow=SHADOW).item
            for one in writes(stages.forward(item, each)):
                written(now, one)
    return now


async def test_of_two_on_one_workload_none_goes_back_alone():
    found = await told(shared(Stage.SWITCH, Stage.SWITCH), choices=Choices(only=["shop/orders"]))
    assert "its workload is also shop/more's" in found


async def test_of_two_on_one_workload_both_go_back_together():
    undo = Undo(shared(Stage.SWITCH, Stage.SWITCH))
    assert await undo.undo("shadow", dry_run=False)
    assert {one.item.stage for one in await _where(undo)} == {Stage.SHADOW}


@pytest.mark.parametrize("other", [Stage.SHADOW, Stage.PREPARE])
async def test_of_two_on_one_workload_one_goes_back_to_where_the_other_is(other):
    undo = Undo(shared(Stage.SWITCH, other), choices=Choices(only=["shop/orders"]))
    assert await undo.undo("shadow", dry_run=False)


async def _where(undo):
    return await undo.plan()


def rewritten(now):
    one = now["VirtualService", "shop/orders-x7k2p"]
    by = {"managedFields": [{"manager": "argocd", "time": "2026-01-01T00:00:00Z"}]}
    spec = one["spec"] | {"http": []}
    return now | {
        ("VirtualService", "shop/orders-x7k2p"): one | {"spec": spec, "metadata": one["metadata"] | by}
    }


async def test_a_route_that_was_changed_meanwhile_is_not_written_over():
    assert "is not as it was when this began, argocd wrote it last" in await told(rewritten(at(Stage.SHADOW)))


async def test_a_copied_route_that_was_changed_meanwhile_is_not_written_over():
    route, now = ("VirtualService", "shop/orders-x7k2p"), copied()
    now[route] = now[route] | {"spec": now[route]["spec"] | {"hosts": []}}
    assert "is not as it was when this began" in await told(now)


async def test_a_route_of_its_name_that_came_after_the_switch_is_not_written_over():
    now = at(Stage.SWITCH)
    old = rewritten(at(Stage.SHADOW))["VirtualService", "shop/orders-x7k2p"]
    now["VirtualService", "shop/orders-x7k2p"] = old
    assert "argocd wrote it last" in await told(now)


async def test_who_was_interrupted_at_the_guards_has_to_ask_its_neighbours_too():
    now = shared(Stage.SHADOW, Stage.SWITCH)
    written(now, Mark("shop/orders", {STAGE: "guard", ROUTES: "shop/orders-x7k2p"}, "shadow"))
    assert "shop/more's" in await told(now, choices=Choices(only=["shop/orders"]))


def claimed(by):
    """At the switch, after somebody else has had its host from long before."""
    since = {"creationTimestamp": "2020-01-01T00:00:00Z"}
    now = at(Stage.SWITCH)
    rule = now["APIRule", "shop/orders"]
    mine = rule | {"metadata": rule["metadata"] | {"creationTimestamp": by}}
    theirs = wanted("orders") | {"metadata": {"name": "pay", "namespace": "bank", **since}}
    return now | {("APIRule", "shop/orders"): mine, ("APIRule", "bank/pay"): theirs}


async def test_the_old_route_does_not_come_back_to_a_host_of_another_apirule():
    found = await told(claimed("2021-01-01T00:00:00Z"), choices=Choices(only=["shop/orders"]))
    assert "Host orders.example.com is occupied by APIRule bank/pay" in found


async def test_who_only_names_its_host_later_keeps_nobody_from_going_back():
    undo = Undo(claimed("2019-01-01T00:00:00Z"), choices=Choices(only=["shop/orders"]))
    assert await undo.undo(None, dry_run=False)


async def test_the_old_route_does_not_come_back_to_a_host_that_others_serve():
    elder = route("bank/pay", creationTimestamp="2020-01-01T00:00:00Z")
    found = await told(at(Stage.SWITCH) | {("VirtualService", "bank/pay"): elder})
    assert "Host orders.example.com is occupied by VirtualService bank/pay" in found


async def test_marks_that_can_not_be_read_bring_nothing_back():
    now = at(Stage.SWITCH)
    written(now, Mark("shop/orders", {ROUTES: "bank/pay"}, "switch"))
    assert "migration-routes" in await told(now)
