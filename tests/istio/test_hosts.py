"""Host names: completed, owned, and written as policies need them."""

import re

import pytest

from authz.istio import apirule, hosts
from authz.istio.hosts import Gateway
from tests.istio.checks import good


@pytest.mark.parametrize(
    ("servers", "domain"),
    [
        ((), ""),
        ((("*.example.com",),), "example.com"),
        ((("*.example.com",), ("gateways/*.example.com",)), "example.com"),
        ((("*.example.com", "*.example.org"),), ""),
        ((("*.example.com",), ("*.example.org",)), ""),
        ((("shop.example.com",),), ""),
        ((("*",),), ""),
    ],
)
def test_a_short_host_needs_a_gateway_of_one_domain(servers, domain):
    assert Gateway(hosts=servers).domain == domain


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("example.com", ("shop.example.com",)),
        ("Example.com", ("shop.example.com",)),
        ("*", ("",)),
        ("", ("",)),
    ],
)
def test_what_a_short_host_becomes_is_a_host(domain, expected):
    rule = apirule.parse(good() | {"spec": good()["spec"] | {"hosts": ["shop"]}})
    assert hosts.full(rule, {rule.spec.gateway: Gateway(hosts=((f"*.{domain}",),))}) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.example.com", ["a.example.com", "a.example.com:*"]),
        ("*.example.com", ["*.example.com", "*.example.com:80", "*.example.com:443", "*.example.com:8443"]),
    ],
)
def test_policies_name_a_host_with_and_without_a_port(host, expected):
    assert hosts.authorities(host, [8443]) == expected


@pytest.mark.parametrize(
    ("host", "others", "expected"),
    [
        ("a.example.com", ["b.a.example.com"], []),
        (
            "*.example.com",
            ["*.example.com", "a.example.com", "*.a.example.com"],
            ["a.example.com", "*.a.example.com"],
        ),
        ("*.example.com", ["example.com", "badexample.com", "*.com"], []),
    ],
)
def test_a_wildcard_takes_in_what_ends_like_it(host, others, expected):
    assert hosts.below(host, others) == expected


@pytest.mark.parametrize("ports", [(), (8443,), (8, 4, 44, 65535, 8080)])
def test_every_port_is_either_named_or_refused(ports):
    refused = re.compile(hosts.other_ports(ports)).fullmatch
    named = {"80", "443", *map(str, ports)}
    for port in ["", "x", "0", "080", "44x", *map(str, range(65536))]:
        assert bool(refused(f"a.example.com:{port}")) is (port not in named)
    assert not refused("a.example.com")


def test_an_apirule_has_the_hosts_that_its_gateway_gives_to_its_namespace():
    rule = apirule.parse(good())
    name, (host,), near = rule.spec.gateway, rule.spec.hosts, rule.namespace
    assert hosts.admitted(rule, {}) == ()
    assert hosts.admitted(rule, {name: Gateway(hosts=((f"{near}/{host}",),))}) == (host,)
    assert hosts.admitted(rule, {name: Gateway(hosts=((f"other/{host}",),))}) == ()


def test_the_wildcards_above_a_host():
    assert list(hosts.above("a.b.example.com")) == ["*.b.example.com", "*.example.com", "*.com"]
    assert list(hosts.above("*.b.example.com")) == ["*.example.com", "*.com"]


@pytest.mark.parametrize(
    ("written", "namespace", "expected"),
    [
        ("a.example.com", "shop", True),
        ("*/a.example.com", "shop", True),
        ("shop/a.example.com", "shop", True),
        ("shop/a.example.com", "evil", False),
        ("./a.example.com", "edge", True),
        ("./a.example.com", "shop", False),
        ("edge/a.example.com", "shop", False),
        ("shop/*", "edge", False),
    ],
)
def test_a_gateway_says_from_which_namespaces_it_takes_a_host(written, namespace, expected):
    assert hosts.serves(Gateway(hosts=((written,),)), "edge/main", namespace, "a.example.com") is expected


def test_a_host_that_no_domain_completes_is_claimed_by_nobody():
    """Not even where the Gateway serves every host: it would be one that all of them had."""
    rule = apirule.parse(good() | {"spec": good()["spec"] | {"hosts": ["shop", "a.example.com"]}})
    assert hosts.admitted(rule, {rule.spec.gateway: Gateway(hosts=(("*",),))}) == ("a.example.com",)
