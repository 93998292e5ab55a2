"""Tenants beside each other: who is in place stays, and what is refused harms nobody."""

from typing import Any

import pytest

from authz.controller import facts
from authz.controller.held import Object
from authz.controller.kinds import Document
from tests.controller.clusters import EXT, JWT, PUBLIC, apirule, document, gateway, service
from tests.controller.worlds import Alone, of

KEYS = "https://idp.example.com/keys"
THEIRS: Document = {"service": {"name": "s1", "namespace": "shop", "port": 80}}


def jwt(keys: str) -> Document:
    return {"jwt": {"authentications": [{"issuer": "https://idp.example.com", "jwksUri": keys}]}}


def evil(name: str, access: Document, **spec: Any) -> Document:
    return of("evil", apirule(name, access | THEIRS, **spec))


def leading(*hosts: str) -> Document:
    port = {"number": 443, "name": "https", "protocol": "HTTP"}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [{"port": port, "hosts": list(hosts)}]}
    return gateway() | {"spec": spec}


def keys_in_use(alone: Alone) -> set[str]:
    return {
        rule["jwksUri"] for one in alone.world.authentications.known.values() for rule in one.spec["jwtRules"]
    }


def test_an_older_apirule_can_not_bring_other_keys_to_pods_that_have_some():
    alone = Alone()
    alone.put(evil("old", PUBLIC, host="evil.example.com"), year=20)
    alone.put(apirule("victim", jwt(KEYS)), year=25)
    assert alone.run() == {"evil/old": "done", "shop/victim": "done"}
    alone.put(
        evil("old", jwt("https://evil.example.com/keys"), host="evil.example.com"), year=20, generation=2
    )
    assert "verified by APIRule shop/victim" in alone.run()["evil/old"]
    assert keys_in_use(alone) == {KEYS}


def test_a_refused_elder_settles_nothing():
    alone = Alone()
    alone.put(apirule("holder", PUBLIC, host="busy.example.com"), year=19)
    alone.put(apirule("victim", jwt(KEYS)), year=25)
    alone.run()
    alone.put(evil("decoy", jwt("https://other.example.com/keys"), host="busy.example.com"), year=20)
    alone.put(evil("young", jwt("https://evil.example.com/keys"), host="evil.example.com"), year=26)
    outcomes = alone.run()
    assert "verified by APIRule shop/victim" in outcomes["evil/young"]
    assert "occupied by APIRule shop/holder" in outcomes["evil/decoy"]
    assert keys_in_use(alone) == {KEYS}


def test_of_newcomers_to_the_same_pods_the_one_at_home_there_settles_it():
    alone = Alone()
    alone.put(evil("old", jwt("https://evil.example.com/keys"), host="evil.example.com"), year=20)
    alone.put(apirule("victim", jwt(KEYS)), year=25)
    outcomes = alone.run()
    assert "verified by APIRule shop/victim" in outcomes["evil/old"]
    assert outcomes["shop/victim"] == "done"


def test_whose_keys_had_to_wait_is_served_when_the_other_has_gone():
    alone = Alone()
    alone.put(apirule("first", jwt(KEYS)), year=20)
    alone.put(apirule("second", jwt("https://new.example.com/keys")), year=21)
    assert "verified by APIRule shop/first" in alone.run()["shop/second"]
    alone.world.rules.forget("shop/first")
    for one in alone.world.actual("shop/first"):
        alone.world.store(one.kind).forget(one.key)
    assert alone.run()["shop/second"] == "done"


def test_a_host_that_the_gateway_keeps_from_a_namespace_is_not_claimed_by_it():
    alone = Alone()
    alone.put(leading("shop/*.a.example.com", "evil/*.evil.example.com"))
    alone.put(evil("squat", PUBLIC, host="login.a.example.com"), year=20)
    assert "Gateway istio-system/main serves" in alone.run()["evil/squat"]
    alone.put(apirule("victim", JWT, host="login.a.example.com"), year=26)
    assert alone.run() == {"shop/victim": "done"}


def test_an_apirule_without_a_gateway_takes_nothing_from_a_wildcard():
    alone = Alone()
    alone.put(apirule("wild", JWT, host="*.a.example.com"))
    alone.run()
    alone.put(evil("squat", PUBLIC, host="login.a.example.com", gateway="no/where"))
    assert "Gateway no/where not found" in alone.run()["evil/squat"]
    assert not any("login." in str(one.spec) for one in alone.world.policies.known.values())


def test_an_apirule_that_somebody_keeps_from_going_leaves_its_host():
    alone = Alone()
    alone.put(apirule("going", JWT, host="h.example.com"), year=20)
    alone.put(apirule("next", JWT, host="h.example.com"), year=21)
    assert "occupied by APIRule shop/going" in alone.run()["shop/next"]
    alone.put(
        apirule("going", JWT, host="h.example.com"),
        year=20,
        deletionTimestamp="2026-02-01T00:00:00Z",
        finalizers=["somebody.example.com/else"],
    )
    for one in alone.world.actual("shop/going"):
        alone.world.store(one.kind).forget(one.key)
    assert alone.run() == {"shop/next": "done"}


def test_a_broken_wildcard_at_the_gateway_stops_nobody_below_it():
    alone = Alone()
    alone.put(apirule("wild", JWT, host="*.example.com", enforcement="Gateway"))
    alone.run()
    missing: Document = {"service": {"name": "missing", "port": 80}}
    alone.put(apirule("wild", JWT | missing, host="*.example.com", enforcement="Gateway"), generation=2)
    alone.put(apirule("new", JWT, enforcement="Gateway"))
    outcomes = alone.run()
    assert "Service shop/missing not found" in outcomes["shop/wild"]
    assert outcomes["shop/new"] == "done"


@pytest.mark.parametrize("marks", [{"name": "", "namespace": "shop"}, {"name": "x"}, {"namespace": "shop"}])
def test_a_virtual_service_whose_labels_name_no_apirule_is_somebody_elses(marks):
    alone = Alone()
    marked = document(
        "networking.istio.io/v1",
        "VirtualService",
        "theirs",
        "shop",
        spec={"hosts": ["a.example.com"], "gateways": ["istio-system/main"]},
    )
    alone.put(
        marked, labels={f"apirule.gateway.kyma-project.io/{part}": text for part, text in marks.items()}
    )
    alone.put(apirule("a", JWT))
    assert "occupied by VirtualService shop/theirs" in alone.run()["shop/a"]


def test_policies_whose_labels_name_no_apirule_are_nobodys_and_wake_nobody():
    alone = Alone()
    alone.put(apirule("a", JWT))
    alone.run()
    labels = {"apirule.gateway.kyma-project.io/name": "a"}
    for one in list(alone.world.authentications.known.values()):
        namespace, _, _ = one.key.partition("/")
        spec: Document = {"selector": one.spec["selector"], "jwtRules": [{"issuer": "https://i"}]}
        alone.put(document("security.istio.io/v1", one.kind, "by-hand", namespace, spec=spec), labels=labels)
    assert alone.concerned == []
    assert alone.world.keys == {"shop/a"}
    alone.put(apirule("b", JWT))
    (made,) = (made for made in facts.gather(alone.world.rules["shop/b"], alone.world).translated[:1])
    assert list(alone.world.standing.unlike(made)) == []


def test_a_gateway_that_changes_concerns_every_apirule_that_it_serves():
    alone = Alone()
    alone.put(apirule("a", JWT))
    assert alone.run() == {"shop/a": "done"}
    alone.put(leading("shop/*.elsewhere.com"))
    assert "Gateway istio-system/main serves" in alone.run()["shop/a"]
    assert not alone.world.claims.of("shop/a").hosts


def test_an_apirule_that_is_seen_before_its_gateway_has_its_hosts_afterwards():
    alone = Alone()
    alone.world.gateways.forget("istio-system/main")
    alone.put(apirule("a", JWT))
    assert not alone.world.claims.of("shop/a").hosts
    alone.put(gateway())
    assert alone.world.claims.of("shop/a").hosts == ("a.example.com",)


def test_an_apirule_that_has_gone_is_not_remembered():
    alone = Alone()
    alone.put(apirule("a", JWT))
    alone.run()
    assert alone.world.claims.at_gateway("istio-system/main") == {"shop/a"}
    alone.world.rules.forget("shop/a")
    assert not alone.world.claims.at_gateway("")
    assert not alone.world.claims.at_gateway("istio-system/main")


BROKEN: Document = {"service": {"name": "missing", "port": 80}}


def serving(alone: Alone, access: Document, **spec: Any) -> Alone:
    """An APIRule whose last version serves, and whose present one is not valid."""
    alone.put(apirule("a", access, **spec))
    alone.run()
    alone.put(apirule("a", access | BROKEN, **spec), generation=2)
    assert "Service shop/missing not found" in alone.run()["shop/a"]
    return alone


def is_routed(alone: Alone) -> bool:
    return "shop/a" in alone.world.virtual_services.known


@pytest.mark.parametrize("access", [PUBLIC, JWT, EXT])
def test_a_refused_edit_leaves_what_the_last_version_made(access):
    alone = serving(Alone(), access)
    alone.put(service("other", {"app": "three"}))
    alone.put(service("s1", {"app": "one"}) | {"metadata": {"name": "s1", "namespace": "shop", "labels": {}}})
    alone.run()
    assert is_routed(alone)


def test_a_route_goes_if_its_service_comes_to_mean_other_pods_while_nobody_can_follow():
    alone = serving(Alone(), JWT)
    alone.put(service("s1", {"app": "green"}))
    alone.run()
    assert not is_routed(alone)


def test_a_route_goes_if_its_service_becomes_an_alias():
    alone = serving(Alone(), JWT)
    made = service("s1", {"app": "one"})
    alone.put(made | {"spec": made["spec"] | {"type": "ExternalName"}})
    alone.run()
    assert not is_routed(alone)


@pytest.mark.parametrize("access", [JWT, EXT])
def test_a_route_goes_if_one_of_its_guards_does_while_nobody_can_put_it_back(access):
    for guard in guards(serving(Alone(), access)):
        alone = serving(Alone(), access)
        alone.world.store(guard.kind).forget(guard.key)
        alone.run()
        assert not is_routed(alone), guard.key


def guards(alone: Alone) -> list[Object]:
    return [one for one in alone.world.actual("shop/a") if one.kind != "VirtualService"]


def test_a_route_goes_if_its_gateway_moves_to_pods_that_ask_nobody():
    alone = serving(Alone(), JWT, enforcement="Gateway")
    moved = gateway()
    alone.put(moved | {"spec": moved["spec"] | {"selector": {"istio": "edge"}}})
    alone.run()
    assert not is_routed(alone)


def test_a_route_is_kept_while_its_gateway_stays_where_it_is():
    alone = serving(Alone(), JWT, enforcement="Gateway")
    moved = gateway()
    alone.put(moved | {"spec": moved["spec"] | {"selector": {"istio": "ingressgateway", "zone": "a"}}})
    alone.run()
    assert is_routed(alone)


def test_routes_that_kyma_made_of_an_old_apirule_are_left_alone():
    alone = Alone()
    owner = {"apirule.gateway.kyma-project.io/name": "a", "apirule.gateway.kyma-project.io/namespace": "shop"}
    http = [{"route": [{"destination": {"host": "ory-oathkeeper-proxy.kyma-system.svc.cluster.local"}}]}]
    spec = {"hosts": ["a.example.com"], "gateways": ["istio-system/main"], "http": http}
    alone.put(
        document("networking.istio.io/v1", "VirtualService", "a-x7k2p", "shop", spec=spec), labels=owner
    )
    old = apirule("a", PUBLIC)
    del old["spec"]["rules"]
    alone.put(old)
    alone.put(service("s1", {"app": "moved"}))
    alone.run()
    assert "shop/a-x7k2p" in alone.world.virtual_services.known
