"""Single values of an APIRule: what is taken, what is refused."""

import string
from datetime import UTC, datetime
from itertools import product

import pytest

from authz.istio import pattern, syntax

LONG = "a" * 64

TAKEN = [
    (syntax.host, "a"),
    (syntax.host, "a-1"),
    (syntax.host, "a.example.com"),
    (syntax.host, "*.example.com"),
    (syntax.host, "1.2.example.com"),
    (syntax.gateway, "gateways/main"),
    (syntax.subdomain, "a.b-c"),
    (syntax.issuer, "partner"),
    (syntax.issuer, "https://idp.example.com/realms/a"),
    (syntax.issuer, "urn:example:idp"),
    (syntax.jwks_uri, "http://idp.auth:8080/keys?a=b"),
]

REFUSED = [
    (syntax.host, ""),
    (syntax.host, "A.example.com"),
    (syntax.host, "*.com"),
    (syntax.host, "*"),
    (syntax.host, "a.example.c"),
    (syntax.host, "-a.example.com"),
    (syntax.host, LONG),
    (syntax.host, "a." * 126 + "com."),
    (syntax.host, "a." * 126 + "example"),
    (syntax.host, "a.example.com:80"),
    (syntax.gateway, "main"),
    (syntax.gateway, "gateways/main/x"),
    (syntax.gateway, "Gateways/main"),
    (syntax.gateway, f"{'a' * 63}/{'b' * 64}"),
    (syntax.subdomain, "a..b"),
    (syntax.name, "a.b"),
    (syntax.issuer, ""),
    (syntax.issuer, "a b"),
    (syntax.issuer, ":a"),
    (syntax.jwks_uri, "idp.example.com/keys"),
    (syntax.jwks_uri, "https:///keys"),
]


@pytest.mark.parametrize(("check", "value"), TAKEN)
def test_a_good_value_is_returned_as_it_is(check, value):
    assert check(value) == value


@pytest.mark.parametrize(("check", "value"), REFUSED)
def test_a_bad_value_is_refused(check, value):
    with pytest.raises(ValueError, match=r"\S"):
        check(value)


def parsed(path):
    """As it is written again, or why it is refused."""
    try:
        return str(pattern.parse(path))
    except ValueError as refusal:
        return str(refusal)


def test_an_escape_that_envoy_decodes_can_not_be_part_of_a_path():
    unreserved = string.ascii_letters + string.digits + "-._~"  # RFC 3986 2.3
    for code, escaped in product(range(256), ("%02x", "%02X")):
        path = f"/a%{escaped % code}"
        if chr(code) in unreserved:
            assert "No request reaches this path" in parsed(path), path
        else:
            assert parsed(path) == path


@pytest.mark.parametrize("path", ["/.", "/..", "/a/./b", "/a/..", "/../{**}", "/a/..;x", "/.;/b"])
def test_a_segment_that_envoy_resolves_can_not_be_part_of_a_path(path):
    with pytest.raises(ValueError, match="No request reaches this path"):
        pattern.parse(path)


@pytest.mark.parametrize("hosts", [(), ("a", "a")])
def test_hosts_are_listed_once_each(hosts):
    with pytest.raises(ValueError, match="ost"):
        syntax.hosts(hosts)


def test_a_time_may_have_been_read_already():
    assert syntax.timestamp(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
    assert syntax.timestamp("2026-01-02T03:04:05Z") == "2026-01-02T03:04:05Z"
