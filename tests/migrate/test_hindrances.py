"""What keeps an APIRule where it is, and what its people are told, without a cluster."""

from dataclasses import replace
from typing import Any

import pytest

from authz.migrate.stages import saved
from authz.migrate.stages import steps as stages
from authz.migrate.stages.steps import Stage
from tests.migrate.test_stages import (
    KYMAS,
    PLANTED,
    allow,
    at,
    elsewhere,
    made,
    planned,
    route,
    service,
    state,
    wanted,
)

ISSUER = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}
ROUTE = ("VirtualService", "shop/orders-x7k2p")


def with_hosts(*hosts: str) -> dict[str, Any]:
    there = route("orders-x7k2p", labels=KYMAS)
    return there | {"spec": there["spec"] | {"hosts": list(hosts)}}


def test_a_route_of_more_hosts_would_go_with_all_of_them():
    (line,) = planned(state(with_hosts("orders.example.com", "B.example.com", "a.example.com"))).obstacles
    assert line == (
        "VirtualService shop/orders-x7k2p also serves a.example.com, b.example.com: "
        "give those hosts a VirtualService of their own first"
    )


@pytest.mark.parametrize(
    ("gateways", "others"),
    [
        (["istio-system/gateway", "istio-system/internal"], "istio-system/internal"),
        (["istio-system/gateway", "mesh"], "mesh"),
        (["istio-system/gateway", "own", "gateway.istio-system.svc.cluster.local"], "shop/own"),
    ],
)
def test_a_route_of_more_gateways_would_go_from_all_of_them(gateways, others):
    (line,) = planned(state(elsewhere(gateways))).obstacles
    assert line == (
        f"VirtualService shop/orders-x7k2p serves them at {others} too, where nobody would from the switch "
        "on: give those Gateways a VirtualService of their own first"
    )


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.SWITCH])
def test_a_planted_secret_brings_a_host_to_no_other_gateway(stage):
    kept = replace(PLANTED, routes=(elsewhere(["istio-system/gateway", "istio-system/internal"]),))
    found = planned(at(stage) | {("Secret", "shop/orders-migration"): saved.secret(kept)})
    assert "orders-x7k2p, which also serves Gateway istio-system/internal" in found.obstacles[0]
    assert stages.back(found.item) == (Stage.BEFORE, ())


def test_what_the_controller_made_of_others_leads_to_the_workload_rightly():
    ours = {"apirule.gateway.kyma-project.io/name": "x", "apirule.gateway.kyma-project.io/namespace": "shop"}
    other = route("x", host="x.example.com", to="orders", labels=ours)
    gateways = {"spec": other["spec"] | {"gateways": ["istio-system/gateway"]}}
    rule = wanted("x", service="orders")
    assert planned(state(other | gateways, rule), wanted(), rule).obstacles == ()


def test_at_the_end_an_allow_of_others_is_their_own_affair():
    theirs = allow(selector={"matchLabels": {"app": "orders"}}, rules=[{}])
    found = at(Stage.FINISH) | {("AuthorizationPolicy", "shop/theirs"): theirs}
    assert planned(found).obstacles == ()
    assert planned(at(Stage.SWITCH) | {("AuthorizationPolicy", "shop/theirs"): theirs}).obstacles


def test_a_policy_that_somebody_took_away_admits_nobody():
    now = at(Stage.SWITCH)
    (policy,) = [name for name in now if name[0] == "AuthorizationPolicy"]
    del now[policy]
    assert planned(now).obstacles == ()


def test_a_workload_that_was_guarded_from_the_first_is_not_said_to_be_guarded_since():
    theirs = allow(rules=[{"from": [{"source": {"namespaces": ["shop"]}}]}])
    assert planned(state(theirs)).obstacles == ()


@pytest.mark.parametrize(
    ("spec", "notes"),
    [
        ({}, ()),
        (
            {"rules": [{"path": "/*", "methods": ["GET"], "jwt": {"authentications": [ISSUER]}}]},
            (
                (
                    "from the switch on shop/orders refuses other bearer tokens than https://idp's on every "
                    "path, in the cluster too"
                ),
            ),
        ),
        (
            {
                "rules": [{"path": "/*", "methods": ["GET"], "jwt": {"authentications": [ISSUER]}}],
                "enforcement": "Gateway",
            },
            ("with enforcement Gateway the authorizer decides at the gateway from the switch on",),
        ),
    ],
)
def test_people_are_told_what_the_switch_brings(spec, notes):
    assert planned(state(), wanted(**spec)).notes == notes


def test_where_nothing_serves_nothing_is_kept_alive_and_that_is_told_in_the_beginning():
    now = state()
    del now[ROUTE]
    assert planned(now).notes == ("nothing serves orders.example.com now: there is nothing to keep alive",)
    assert planned(at(Stage.PREPARE)).notes == ()


def test_a_route_without_hosts_or_destinations_stops_nothing():
    empty = made(
        "VirtualService",
        "empty",
        {"gateways": ["istio-system/gateway"], "http": [{}, {"route": [{}]}]},
        "networking.istio.io/v1",
    )
    assert planned(state(empty, service("other"))).obstacles == ()


@pytest.mark.parametrize("kind", ["AuthorizationPolicy", "RequestAuthentication"])
def test_a_guard_that_kyma_made_of_the_old_apirule_has_no_stages(kind):
    theirs = made(kind, "kymas", {"action": "DENY"}, "security.istio.io/v1", labels=KYMAS)
    (line,) = planned(state(theirs)).obstacles
    assert line.startswith(f"{kind} shop/kymas of the old APIRule guards the workload already")
    other = KYMAS | {"apirule.gateway.kyma-project.io/name": "other"}
    theirs["metadata"]["labels"] = other
    assert planned(state(theirs)).obstacles == ()
