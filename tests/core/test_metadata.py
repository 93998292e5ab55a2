"""Protected resource metadata (RFC 9728): what is told to whom, and where a challenge points."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest

from authz.core import metadata, path
from authz.core.decision import Answer
from authz.core.policy import (
    Authorizer,
    Check,
    Client,
    Host,
    Introspection,
    Jwt,
    Location,
    Policy,
    Requirement,
    Rule,
    Session,
)
from authz.core.reason import Reason, Refused
from authz.core.request import Request

WELL_KNOWN = metadata.WELL_KNOWN
GET, POST = frozenset({"GET"}), frozenset({"POST"})
ONE, TWO = "https://one.example.com/realms/a", "https://two.example.com"
ASKING = Introspection(TWO, Client("authz", secret_file=Path("/s")), scopes=frozenset({"write"}))
EITHER = Authorizer("either", (Jwt(ONE), ASKING, Session("http://proxy"), Jwt("not an address")))
FIRST = Authorizer("first", (Jwt(ONE, location=Location("x-token")),))
BROWSERS = Authorizer("browsers", (Session("http://proxy"),))
READ = (Requirement(frozenset({"read", "list"})), Requirement(frozenset({"admin"})))


def rule(name, pattern, methods, *checks):
    return Rule(name, methods, path.parse(pattern), checks)


RULES = (
    rule("public", "/public/{**}", GET),
    rule("mcp", "/mcp", GET, Check(FIRST, READ)),
    rule("mcp-post", "/mcp", POST, Check(EITHER)),
    rule("shadowed", "/{*}", GET | POST, Check(Authorizer("never", (Jwt("https://never.example.com"),)))),
    rule("app", "/app/{**}", GET, Check(BROWSERS)),
)


def policy(*, described=True, rejects=True, rules=RULES):
    names = ("shop.example.com", "*.example.org", "shop.localhost")
    return Policy(MappingProxyType({name: Host(name, rules, rejects, described) for name in names}))


def request(target, method="GET", host="shop.example.com"):
    return Request(method, host, target)


def told(target, method="GET", host="shop.example.com", within=None):
    """The document, the reason of a refusal, or None for what is no request for metadata."""
    try:
        answer = metadata.answer(within or policy(), request(target, method, host))
    except Refused as refused:
        return refused.reason
    if answer is None:
        return None
    assert answer == Answer(Reason.RESOURCE_DESCRIBED, answer.document)
    return json.loads(answer.document)


HOST = {
    "resource": "https://shop.example.com",
    "authorization_servers": [ONE, TWO, "https://never.example.com"],
    "bearer_methods_supported": ["header"],
    "scopes_supported": ["admin", "list", "read", "write"],
}
MCP = HOST | {"resource": "https://shop.example.com/mcp", "authorization_servers": [ONE, TWO]}
OTHER = {
    "resource": "https://shop.example.com/other",
    "authorization_servers": ["https://never.example.com"],
    "bearer_methods_supported": ["header"],
}


@pytest.mark.parametrize(
    ("target", "document"),
    [
        (WELL_KNOWN, HOST),
        (f"{WELL_KNOWN}/", HOST),
        (f"{WELL_KNOWN}/mcp", MCP),
        (f"{WELL_KNOWN}/other", OTHER),
        (f"{WELL_KNOWN}/public/a", Reason.RESOURCE_UNPROTECTED),
        (f"{WELL_KNOWN}/nowhere/else", Reason.RESOURCE_UNPROTECTED),
        (f"{WELL_KNOWN}/app/a", Reason.RESOURCE_UNPROTECTED),
        (f"{WELL_KNOWN}/mcp;x", Reason.PATH_AMBIGUOUS),
        (f"{WELL_KNOWN}/..%2fmcp", Reason.PATH_AMBIGUOUS),
        (f"{WELL_KNOWN}//mcp", Reason.PATH_AMBIGUOUS),
        (f"{WELL_KNOWN}/{'a' * 8_192}", Reason.REQUEST_INVALID),
        (f"{WELL_KNOWN}x", None),
        (f"{WELL_KNOWN.upper()}/mcp", None),
        (f"/x{WELL_KNOWN}", None),
        ("/mcp", None),
    ],
)
def test_a_resource_is_described_by_the_rules_that_decide_its_path(target, document):
    assert told(target) == document


def test_the_scopes_that_would_do_are_the_rules_first_and_the_authorizers():
    assert {each.name: each.scopes for each in RULES if each.scopes} == {
        "mcp": ("list", "read"),
        "mcp-post": ("write",),
    }


def test_only_reading_is_answered():
    assert told(WELL_KNOWN, "HEAD") == HOST
    assert [told(WELL_KNOWN, method) for method in ("POST", "PUT", "OPTIONS", "get")] == [None] * 4


def test_a_host_that_describes_itself_is_left_alone():
    assert told(WELL_KNOWN, within=policy(described=False)) is None
    assert metadata.url(policy(described=False), RULES[1], request("/mcp")) == ""


def test_without_an_issuer_there_is_nothing_to_tell():
    assert told(WELL_KNOWN, within=policy(rules=RULES[:1])) is Reason.RESOURCE_UNPROTECTED


@pytest.mark.parametrize(
    ("host", "resource"),
    [
        ("SHOP.example.com", "https://shop.example.com/mcp"),
        ("shop.example.com:8443", "https://shop.example.com:8443/mcp"),
        ("a.example.org", "https://a.example.org/mcp"),
        ("shop.localhost:8080", "http://shop.localhost:8080/mcp"),
        ('a"b.example.org', Reason.REQUEST_INVALID),
        ("shop.example.com:80:80", Reason.REQUEST_INVALID),
        ("shop.example.com:x", Reason.REQUEST_INVALID),
        ("elsewhere.example.net", Reason.HOST_UNKNOWN),
        ("", Reason.REQUEST_INVALID),
    ],
)
def test_the_resource_is_named_as_the_client_knows_it(host, resource):
    document = told(f"{WELL_KNOWN}/mcp", host=host)
    assert (document["resource"] if isinstance(document, dict) else document) == resource


@pytest.mark.parametrize(
    ("target", "host", "url"),
    [
        ("/mcp", "shop.example.com", f"https://shop.example.com{WELL_KNOWN}/mcp"),
        ("/", "shop.example.com:8443", f"https://shop.example.com:8443{WELL_KNOWN}"),
        ("/mcp/", "shop.localhost:8080", f"http://shop.localhost:8080{WELL_KNOWN}/mcp/"),
        ("/a%20b/~(c)", "a.example.org", f"https://a.example.org{WELL_KNOWN}/a%20b/~(c)"),
        ('/a"b', "shop.example.com", f"https://shop.example.com{WELL_KNOWN}"),
        ("/a\\b", "shop.example.com", f"https://shop.example.com{WELL_KNOWN}"),
        ("/" + "a" * 1_024, "shop.example.com", f"https://shop.example.com{WELL_KNOWN}"),
        ("/mcp", 'a"b.example.org', ""),
    ],
)
def test_a_challenge_points_to_the_description_of_what_was_asked_for(target, host, url):
    assert metadata.url(policy(), RULES[1], request(target, host=host)) == url


@pytest.mark.parametrize("deciding", [None, RULES[0], RULES[4]])
def test_a_challenge_points_nowhere_if_no_token_would_help(deciding):
    assert metadata.url(policy(), deciding, request("/mcp")) == ""


def test_ambiguous_paths_are_described_where_they_are_routed():
    assert told(f"{WELL_KNOWN}/a;b", within=policy(rejects=False))["resource"].endswith("/a;b")
