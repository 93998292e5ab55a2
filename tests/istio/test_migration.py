"""An APIRule on its way from ORY: what of it stands at which step, and what its annotations may say."""

from typing import Any

import pytest

from authz.istio import apirule, migration, obstacles
from authz.istio.migration import ROUTES, STAGE
from authz.istio.problem import Invalid, Problem
from authz.istio.translate import translate
from tests.istio.checks import JWT, good
from tests.istio.meshes import SETTINGS, known

GUARDS = ["RequestAuthentication", "AuthorizationPolicy"]
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "shop", "namespace": "shop"},
    "spec": {"selector": {"app": "shop"}},
}
GATEWAY = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "main", "namespace": "gateways"},
    "spec": {
        "selector": dict(SETTINGS.gateway_selector),
        "servers": [{"port": {"number": 443}, "hosts": ["*"]}],
    },
}


def old_route(name):
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": "2020-01-01T00:00:00Z"},
        "spec": {"hosts": ["shop.example.com"], "gateways": ["gateways/main"]},
    }


def moving(**annotations: Any) -> dict[str, Any]:
    document = good()
    names = {"stage": STAGE, "routes": ROUTES}
    document["metadata"]["annotations"] = {
        "other": "x",
        **{names[name]: value for name, value in annotations.items()},
    }
    document["spec"]["rules"] = [{"path": "/a", "methods": ["GET"], "jwt": JWT}]
    return document


@pytest.mark.parametrize(
    ("stage", "kinds"),
    [
        ({"stage": "prepare"}, []),
        ({"stage": "shadow"}, []),
        ({"stage": "guard"}, GUARDS),
        ({"stage": "switch"}, [*GUARDS, "VirtualService"]),
        ({}, [*GUARDS, "VirtualService"]),
    ],
)
def test_its_guards_stand_before_its_route_and_neither_before_it_has_been_looked_at(stage, kinds):
    made = translate(apirule.parse(moving(**stage)), known([SERVICE, GATEWAY]))
    assert [one["kind"] for one in made] == kinds


@pytest.mark.parametrize(
    ("annotations", "name", "message"),
    [
        ({"stage": "later"}, STAGE, "must be one of prepare, shadow, guard, switch"),
        ({"routes": "shop/old"}, ROUTES, f"is of no use without {STAGE}"),
        (
            {"stage": "switch", "routes": "shop/old,bank/old"},
            ROUTES,
            "must be VirtualServices of namespace shop, with commas between",
        ),
    ],
)
def test_what_its_annotations_may_not_say(annotations, name, message):
    with pytest.raises(Invalid) as refused:
        apirule.parse(moving(**annotations))
    assert refused.value.problems == (Problem(f"metadata.annotations[{name}]", message),)


def test_routes_that_served_its_hosts_before_are_no_obstacle_while_it_is_on_its_way():
    cluster = known([SERVICE, GATEWAY, old_route("old"), old_route("other")])

    def found(**annotations):
        return [one.message for one in obstacles.problems(apirule.parse(moving(**annotations)), cluster)]

    occupied = "Host shop.example.com is occupied by VirtualService shop/{}".format
    assert found() == [occupied("old"), occupied("other")]
    assert found(stage="prepare", routes="shop/old") == [occupied("other")]
    assert found(stage="switch", routes="shop/old,shop/other") == []


@pytest.mark.parametrize("annotations", [None, {}, {"note": "x"}])
def test_other_annotations_are_not_kept(annotations):
    assert migration.ours(annotations) == {}
