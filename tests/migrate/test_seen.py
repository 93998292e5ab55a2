"""What the shadow has to have seen before a switch: requests of each host, decided by both worlds."""

from collections.abc import Sequence
from typing import Any

import pytest

from authz.migrate.stages import seen

HOST = "shop.example.com"
JUDGED = {"shop/orders": "digest", "shop/cart": "another"}


def report(dropped: int = 0, callers: Sequence[str] = (), **counts: Any) -> dict[str, Any]:
    silent: dict[str, Any] = {"asked": 0, "same": 0, "skipped": 0, "unavailable": 0, "unexplained": 0}
    return {
        "hosts": {HOST: silent | {"differences": []} | counts},
        "dropped": dropped,
        "callers": {HOST: list(callers)},
        "apirules": JUDGED,
    }


@pytest.mark.parametrize(
    ("told", "message"),
    [
        (report(), "has seen no request for shop.example.com yet"),
        (report(asked=5, same=5), ""),
        (report(asked=5, same=5, skipped=5), ""),
        (report(asked=5, differences=[{"count": 5}]), ""),
        (report(asked=500, unavailable=500), "500 requests for shop.example.com could not be decided"),
        (report(asked=500, same=499, unavailable=1), "1 requests for shop.example.com could not be decided"),
        (report(asked=5, skipped=5), "has compared nothing for shop.example.com, of 5 requests"),
        (
            report(asked=5, same=4, unexplained=1, differences=[{"count": 1}]),
            "1 requests for shop.example.com",
        ),
    ],
)
def test_a_host_is_switched_only_if_both_worlds_have_decided_its_requests(told, message):
    found = seen.problems(told, [HOST], {})
    assert bool(found) is bool(message)
    assert message in "".join(found)


def test_hosts_below_a_wildcard_count_for_it():
    assert seen.problems(report(asked=1, same=1), ["*.example.com"], {}) == []


def test_what_nobody_has_looked_at_is_told():
    skipped, dropped = seen.remarks(report(99, asked=5, same=3, skipped=2), [HOST])
    assert skipped.startswith("2 requests for shop.example.com were not compared")
    assert dropped == "the shadow has dropped 99 copies unseen, of all hosts together"
    assert seen.remarks(report(asked=5, same=5), [HOST]) == []


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"shop/orders": "digest"}, ""),
        ({"shop/orders": "edited since"}, "judges another shop/orders"),
        ({"shop/new": "digest"}, "judges another shop/new"),
    ],
)
def test_a_report_about_other_rules_says_nothing(rule, message):
    found = seen.problems(report(asked=5, same=5), [HOST], rule)
    assert bool(found) is bool(message)
    assert message in "".join(found)


def test_a_report_without_digests_is_none():
    with pytest.raises(LookupError):
        seen.problems({"hosts": {}, "dropped": 0}, [HOST], {"shop/orders": "digest"})


GATEWAY = "cluster.local/ns/istio-system/sa/gateway"


@pytest.mark.parametrize(
    ("callers", "message"),
    [
        ([GATEWAY], ""),
        (["cluster.local/ns/istio-system/sa/other"], "come from cluster.local/ns/istio-system/sa/other, and"),
        ([GATEWAY, "td/ns/istio-system/sa/gateway"], "come from td/ns/istio-system/sa/gateway, and"),
        ([""], "come from nobody that the mesh knows"),
    ],
)
@pytest.mark.parametrize("name", [HOST, "*.example.com"])
def test_a_gateway_that_the_new_guards_would_not_know_is_told(callers, message, name):
    found = seen.strangers(report(callers=callers), [name], GATEWAY)
    assert bool(found) is bool(message)
    assert message in "".join(found)
    assert seen.strangers(report(callers=callers), ["other.example.org"], GATEWAY) == []
