"""What is read from the objects of a cluster: what istiod would, and nothing is lost between two looks."""

from pathlib import Path

import pytest

from authz.istio.cluster import Settings
from authz.local import istiod
from authz.local.envoy import Address, Provider, Unsupported
from authz.local.ports import LOOPBACK, Ports
from authz.local.site import Site
from tests.local.meshes import GATEWAY, policy, virtual_service

HERE = Address(LOOPBACK, 9)
AUTHZ = ("authz.authz-system.svc.cluster.local", 9191)
SITE = Site(Settings("authz", {"istio": "ingressgateway"}, GATEWAY), Ports(), Path("certs"), {AUTHZ: HERE})


def service(name, selector, *ports):
    spec = {"selector": selector, "ports": [{"port": port} for port in ports]}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": "apps"},
        "spec": spec,
    }


def gateway(*hosts, selector="ingressgateway"):
    servers = [{"port": {"number": 80}, "hosts": list(hosts)}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "gateway", "namespace": "istio-system"},
        "spec": {"selector": {"istio": selector}, "servers": servers},
    }


def mesh(provider):
    data = {"mesh": f"extensionProviders: [{{name: p, {provider}}}]"}
    metadata = {"name": "istio", "namespace": "istio-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def test_each_port_of_a_service_is_a_backend_unless_it_selects_no_pods():
    documents = [service("shop", {"app": "shop"}, 80, 81), service("kubernetes", {}, 443)]
    assert istiod.read(documents, SITE).backends == {
        ("shop.apps.svc.cluster.local", port): {"app": "shop"} for port in (80, 81)
    }


@pytest.mark.parametrize(
    ("front", "hosts", "served"),
    [
        (gateway("*"), ["a.example.com", "b.example.com"], ["a.example.com", "b.example.com"]),
        (gateway("*.example.com", "x.org"), ["a.example.com", "b.org"], ["a.example.com"]),
        (gateway("apps/a.example.com"), ["a.example.com"], ["a.example.com"]),
        (gateway("./a.example.com"), ["a.example.com"], None),
        (gateway("*", selector="egress"), ["a.example.com"], None),
    ],
)
def test_a_route_is_served_as_far_as_our_gateway_takes_its_hosts(front, hosts, served):
    found = istiod.read([front, virtual_service(hosts=tuple(hosts))], SITE).resources
    assert [each["spec"]["hosts"] for each in found] == ([served] if served else [])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (
            "{service: authz.authz-system.svc.cluster.local, port: 9191, timeout: 1s}",
            Provider(*AUTHZ, HERE, 1.0),
        ),
        (
            "{service: authz-system/authz.authz-system.svc.cluster.local, port: 9191}",
            Provider(*AUTHZ, HERE, 600.0),
        ),
        ("{service: elsewhere, port: 9191}", None),
    ],
)
def test_a_provider_is_known_if_somebody_answers_for_it_here(said, expected):
    found = istiod.read([mesh(f"envoyExtAuthzGrpc: {said}")], SITE).providers
    assert found.get("p") == expected


def test_a_provider_that_can_not_be_read_is_said():
    with pytest.raises(
        Unsupported, match=r"extensionProviders\[p\].envoyExtAuthzGrpc.port: must be of type int"
    ):
        istiod.read([mesh("envoyExtAuthzGrpc: {service: x, port: all}")], SITE)


def test_what_has_gone_goes_in_two_steps_the_routes_before_their_guards():
    guard, route, front = policy({}), virtual_service(), gateway("*")
    before, after = istiod.read([front, guard, route], SITE), istiod.read([front], SITE)
    between = before.before(after)
    assert between
    assert [each["kind"] for each in between.resources] == ["AuthorizationPolicy"]
    assert between.before(after) is None
    assert after.before(before) is None


@pytest.mark.parametrize(
    ("host", "guards", "stays"),
    [
        ("shop.example.com", [policy({})], True),
        ("shop.example.com", [], False),
        ("other.example.com", [policy({})], False),
    ],
    ids=["its hosts are taken over", "its guard goes as well", "nobody takes its hosts"],
)
def test_a_route_stays_until_another_takes_its_hosts_unless_its_guard_goes(host, guards, stays):
    old, new = virtual_service(), virtual_service(hosts=(host,))
    new["metadata"] = {**new["metadata"], "name": "new"}
    before = istiod.read([gateway("*"), policy({}), old], SITE)
    between = before.before(istiod.read([gateway("*"), *guards, new], SITE))
    assert (between is None) is stays
