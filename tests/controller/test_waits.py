"""Whose policies keep an APIRule from writing its own: those that stand, and may not come to agree."""

import pytest

from authz.controller import facts, waits
from authz.controller.held import FINALIZER
from authz.controller.leader import Leader
from authz.controller.plan import plan
from authz.controller.telemetry import Telemetry
from authz.controller.workqueue import Queue
from tests.controller.clusters import EXT, JWT, PUBLIC, apirule, service
from tests.controller.history import FOREIGN
from tests.controller.worlds import Alone

KEYS = {"issuer": "https://i", "jwksUri": "https://i/keys"}
BEFORE = {"jwt": {"authentications": [KEYS | {"jwksUri": "https://i/before"}]}}
ELSEWHERE = {"service": {"name": "s2", "port": 80}}
UNHEARD = {"unheard": "of"}
GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FINALIZER]}


@pytest.fixture
def alone():
    return standing(Alone(), BEFORE)


def standing(alone, access):
    """`other` stands as it was."""
    alone.put(apirule("other", access))
    assert alone.run() == {"shop/other": "done"}
    return alone


def judged(alone, *keys):
    for key in keys:
        alone.world.judged[key] = alone.world.rules[key].apirule


def waited_for(alone, access=JWT, **spec):
    alone.put(apirule("new", access, **spec))
    rule = alone.world.rules["shop/new"]
    judged(alone, "shop/new")
    phases = plan(facts.gather(rule, alone.world).translated, alone.world.actual("shop/new"))
    return waits.to_write("shop/new", phases, alone.world)


def test_one_that_has_come_to_say_the_same_is_not_waited_for(alone):
    alone.put(apirule("other", JWT), generation=2)
    judged(alone, "shop/other")
    assert waited_for(alone) is None


@pytest.mark.parametrize(
    ("access", "metadata", "known"),
    [
        (JWT, {}, False),
        (JWT, GOING, True),
        (PUBLIC, {}, True),
        (JWT | ELSEWHERE, {}, True),
        (JWT | UNHEARD, {}, True),
    ],
    ids=["not judged", "goes", "says nothing", "leaves", "can not be read"],
)
def test_one_whose_policies_stand_and_that_may_not_follow_is_waited_for(alone, access, metadata, known):
    alone.put(apirule("other", access), generation=2, **metadata)
    if known:
        judged(alone, "shop/other")
    wait = waited_for(alone)
    assert wait == waits.Wait(
        "Waits for APIRule shop/other to take its policies from these pods", frozenset(["shop/new"])
    )


def test_one_that_has_gone_and_left_its_policies_is_waited_for(alone):
    alone.world.rules.forget("shop/other")
    assert waited_for(alone)


@pytest.mark.parametrize(
    ("roots", "stuck"),
    [
        ({}, False),
        ({"other": ["other"]}, True),
        ({"other": ["new"]}, False),
        ({"other": ["third"], "third": ["new"]}, False),
        ({"other": ["third"], "third": ["third"]}, True),
        ({"other": ["new", "third"], "third": ["third"]}, True),
        ({"other": ["third"]}, True),
        ({"other": ["third"], "third": ["other"]}, False),
    ],
    ids=["nobody", "itself", "me", "who waits for me", "another", "me and another", "not looked at", "round"],
)
def test_one_that_waits_is_waited_for_unless_it_waits_for_the_asker_alone(alone, roots, stuck):
    alone.put(apirule("other", JWT), generation=2)
    judged(alone, "shop/other")
    alone.world.unguided |= {
        f"shop/{key}": frozenset(f"shop/{root}" for root in many) for key, many in roots.items()
    }
    wait = waited_for(alone)
    assert bool(wait) == stuck
    if wait:
        assert wait.roots == {"shop/other"}
        assert wait.message.startswith(
            "The policies of APIRule shop/other have the same pods verify tokens by"
        )


@pytest.mark.parametrize(
    ("before", "stands"),
    [
        (KEYS, False),
        (KEYS | {"fromHeaders": [{"name": "x-token"}]}, True),
        (KEYS | {"fromParams": ["token"]}, True),
        ({"issuer": "https://j", "jwksUri": "https://i/before"}, False),
    ],
    ids=["the same", "another header", "a parameter", "another issuer"],
)
def test_policies_that_say_the_same_or_nothing_of_it_do_not_count(before, stands):
    alone = standing(Alone(), {"jwt": {"authentications": [before]}})
    alone.put(apirule("other", PUBLIC), generation=2)
    assert bool(waited_for(alone)) == stands


@pytest.mark.parametrize("access", [JWT | ELSEWHERE, PUBLIC], ids=["other pods", "no tokens"])
def test_who_brings_nothing_to_these_pods_waits_for_nobody(alone, access):
    alone.put(apirule("other", PUBLIC), generation=2)
    assert waited_for(alone, access) is None


def test_tokens_in_another_parameter_are_verified_otherwise():
    one, other = ({"jwt": {"authentications": [KEYS | {"fromParams": [name]}]}} for name in "ab")
    alone = standing(Alone(), one)
    alone.put(apirule("other", PUBLIC), generation=2)
    assert waited_for(alone, other)


def test_policies_that_have_moved_to_other_pods_do_not_count_any_more(alone):
    alone.put(service("s1", {"app": "moved"}))
    assert alone.run() == {"shop/other": "done"}
    assert len(alone.world.standing._there) == 1
    alone.put(service("s1", {"app": "one"}))
    alone.put(apirule("other", PUBLIC), generation=2)
    assert waited_for(alone) is None


async def test_who_leads_again_judges_everybody_anew(alone):
    judged(alone, "shop/other")
    leader = Leader(Queue(lambda: 0.0), alone.reconciler, Telemetry(), workers=0)
    await leader.run()
    assert not alone.world.is_judged("shop/other")


def test_one_that_has_gone_is_not_remembered(alone):
    judged(alone, "shop/other")
    alone.world.unguided["shop/other"] = frozenset(["shop/other"])
    alone.world.forget("shop/other")
    assert (alone.world.judged, alone.world.unguided) == ({}, {})


def test_who_is_not_in_place_yet_gives_way_to_one_who_is():
    """Or the one would wait for policies of the other, who may not have them."""
    alone = standing(Alone(), EXT)
    alone.put(apirule("new", FOREIGN))
    for subject in alone.world.claims.of("shop/new").subjects:  # as it asked before those were heard of
        alone.world.agreements._firsts[subject] = "shop/new"
    alone.put(apirule("other", EXT), generation=2)
    said = alone.run()
    assert said["shop/other"] == "done"
    assert "shop/s1 has authz already" in said["shop/new"]
