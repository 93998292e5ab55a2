"""Which rule decides."""

from dataclasses import replace

import pytest

from authz.core import path, route
from authz.core.cors import Cors
from authz.core.policy import Authorizer, Check, Host, Policy, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request


def rule(name: str, methods: str, pattern: str) -> Rule:
    return Rule(name, frozenset(methods.split()), path.parse(pattern))


SHOP = Host(
    "shop.example.com",
    (
        rule("exact", "GET", "/orders"),
        rule("template", "GET", "/orders/{*}/lines"),
        rule("post", "POST", "/orders/{**}"),
        rule("rest", "GET POST", "/*"),
    ),
)
SOME = Host("*.example.com", (rule("wild", "GET", "/*"),), rejects_ambiguous=False)
DEEP = Host("*.deep.example.com", (rule("deep", "GET", "/x"),))
POLICY = Policy({host.name: host for host in (SHOP, SOME, DEEP)})


@pytest.mark.parametrize(
    ("method", "host", "target", "expected"),
    [
        ("GET", "shop.example.com", "/orders", "exact"),
        ("GET", "SHOP.example.COM", "/orders", "exact"),
        ("GET", "shop.example.com:8443", "/orders", "exact"),
        ("GET", "shop.example.com:", "/orders", "exact"),
        ("POST", "shop.example.com", "/orders", "rest"),
        ("POST", "shop.example.com", "/orders/7", "post"),
        ("GET", "shop.example.com", "/orders/7/lines", "template"),
        ("GET", "shop.example.com", "/orders/77/lines", "template"),
        ("GET", "shop.example.com", "/orders//lines", Reason.PATH_AMBIGUOUS),
        ("GET", "shop.example.com", "/orders/7/8/lines", "rest"),
        ("GET", "other.example.com", "/a;b", "wild"),
        ("GET", "a.b.example.com", "/", "wild"),
        ("GET", "a.deep.example.com", "/x", "deep"),
        ("GET", "a.deep.example.com", "/y", Reason.RULE_MISSING),
        ("DELETE", "shop.example.com", "/orders", Reason.RULE_MISSING),
        ("get", "shop.example.com", "/orders", Reason.RULE_MISSING),
        ("GET", "shop.example.com", "//orders", Reason.PATH_AMBIGUOUS),
        ("GET", "shop.example.com", "/orders%2f7", Reason.PATH_AMBIGUOUS),
        ("GET", "shop.example.com.", "/orders", Reason.HOST_UNKNOWN),
        ("GET", "example.com", "/", Reason.HOST_UNKNOWN),
        ("GET", ".", "/", Reason.HOST_UNKNOWN),
        ("GET", "*.example.org", "/", Reason.HOST_UNKNOWN),
        ("GET", "[::1]:80", "/", Reason.REQUEST_INVALID),
        ("GET", "shop.example.com:1.example.com:80", "/orders", Reason.REQUEST_INVALID),
        ("GET", "shop.example.com:1]a.example.com", "/orders", Reason.REQUEST_INVALID),
        ("GET", "other.example.com:80@shop.example.com", "/", Reason.REQUEST_INVALID),
        ("GET", "", "/", Reason.REQUEST_INVALID),
        ("GET", "a" * 300 + ".example.com", "/", Reason.REQUEST_INVALID),
        ("", "shop.example.com", "/", Reason.REQUEST_INVALID),
        ("GET", "shop.example.com", "", Reason.REQUEST_INVALID),
        ("GET", "shop.example.com", "/" + "a" * 8_192, Reason.REQUEST_INVALID),
        ("OPTIONS", "shop.example.com", "*", Reason.REQUEST_INVALID),
    ],
)
def test_the_first_rule_of_the_host_that_names_method_and_path_decides(method, host, target, expected):
    assert outcome(Request(method, host, target)) == expected


def outcome(request: Request) -> str | Reason:
    try:
        return route.match(POLICY, request).name
    except Refused as refused:
        return refused.reason


CORS = Cors(exact=frozenset({"https://app.test"}))
PREFLIGHTS = Host(
    "api.test",
    (rule("own", "OPTIONS", "/own"), rule("get", "GET", "/*")),
    preflights=tuple(
        Rule(f"preflight {pattern}", frozenset({"OPTIONS"}), path.parse(pattern), cors=policy)
        for pattern, policy in [("/own", CORS), ("/none", None), ("/a/{**}", CORS)]
    ),
)
ASKS = {"access-control-request-method": "GET"}


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("OPTIONS", "/a/b", ASKS | {"origin": "https://app.test"}, "preflight /a/{**}"),
        ("OPTIONS", "/own", ASKS | {"origin": "https://app.test"}, "preflight /own"),
        ("OPTIONS", "/own", ASKS | {"origin": "https://evil.test"}, "own"),
        ("OPTIONS", "/own", {"origin": "https://app.test"}, "own"),
        ("OPTIONS", "/a/b", ASKS | {"origin": "https://evil.test"}, Reason.RULE_MISSING),
        ("OPTIONS", "/a/b", ASKS, Reason.RULE_MISSING),
        ("OPTIONS", "/none", ASKS | {"origin": "https://app.test"}, Reason.RULE_MISSING),
        ("OPTIONS", "/z", ASKS | {"origin": "https://app.test"}, Reason.RULE_MISSING),
        ("OPTIONS", "/a//b", ASKS | {"origin": "https://app.test"}, Reason.PATH_AMBIGUOUS),
        ("GET", "/a/b", ASKS | {"origin": "https://app.test"}, "get"),
    ],
)
def test_a_preflight_that_envoy_will_answer_passes_and_no_other(method, target, headers, expected):
    policy = Policy({PREFLIGHTS.name: PREFLIGHTS})
    request = Request(method, "api.test", target, headers=headers)
    if isinstance(expected, str):
        assert route.match(policy, request).name == expected
        return
    with pytest.raises(Refused) as refused:
        route.match(policy, request)
    assert refused.value.reason is expected


def test_while_a_newer_version_is_coming_a_request_has_to_pass_by_both():
    one, other = Check(Authorizer("one")), Check(Authorizer("other"))
    now = replace(rule("now", "GET POST", "/*"), checks=(one,))
    coming = replace(rule("coming", "GET", "/*"), checks=(one, other))
    changing = Host("c.example.com", (now,), coming=Host("c.example.com", (coming,)))
    policy = Policy({changing.name: changing})
    found = route.match(policy, Request("GET", changing.name, "/a"))
    assert (found.name, found.checks) == ("now", (one, other))
    with pytest.raises(Refused) as refused:
        route.match(policy, Request("POST", changing.name, "/a"))
    assert refused.value.reason is Reason.RULE_MISSING


@pytest.mark.parametrize("authority", ["shop.example.com", "Shop.Example.com", "shop.example.com:8443"])
def test_a_host_has_one_name_however_it_was_asked_for(authority):
    assert route.bare(authority) == "shop.example.com"
