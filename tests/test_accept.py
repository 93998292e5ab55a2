"""The kinds of credentials in the configuration file: what each takes, and what can not work together."""

from pathlib import Path

import pytest

from authz import config
from authz.core.policy import Client, Introspection, Jwt, Location, Session
from authz.server.authorizers import authorizers_of

AT = "authorizers[0].accept[0]"
ASK = "issuer: https://i, clientId: c"
SECRET = f"{{introspection: {{{ASK}, clientSecretFile: /s}}}}"
SESSION = "{session: {oauth2Proxy: http://p}}"
JWT = "{jwt: {issuer: https://i, audiences: [a]}}"
URL = "an address is http(s)://HOST[:PORT][/path], without user, query and fragment"
COOKIE = "a cookie's name has letters, digits, and no spaces, commas, semicolons or ="
PREFIX = "a prefix is like /oauth2: it begins with a slash and does not end with one"
SCOPE = "a scope is visible ASCII"
KEYS = "keys are at http(s)://HOST[:PORT][/path][?query], without user and fragment"
MEMBER = "it is empty, has a comma, or begins or ends with a space"


def problems(*accepts: str) -> list[str]:
    try:
        config.parse(f"authorizers: [{{name: a, accept: [{', '.join(accepts)}]}}]")
    except config.Invalid as invalid:
        return list(invalid.problems)
    return []


def accepted(*accepts: str):
    settings = config.parse(f"authorizers: [{{name: a, accept: [{', '.join(accepts)}]}}]")
    return authorizers_of(settings)["a"].accept


def introspection(more: str) -> str:
    return f"{{introspection: {{{ASK}, {more}}}}}"


def session(more: str, proxy: str = "http://p") -> str:
    return f"{{session: {{oauth2Proxy: '{proxy}', {more}}}}}"


def test_all_three_kinds_stand_in_one_authorizer_in_the_order_written():
    assert accepted(SESSION, JWT, SECRET) == (
        Session("http://p"),
        Jwt("https://i", audiences=frozenset({"a"})),
        Introspection("https://i", Client("c", secret_file=Path("/s"))),
    )


def test_every_setting_arrives():
    asked = introspection(
        "endpoint: https://i/ask, auth: tls_client_auth, keyFile: /k, certFile: /c, audiences: [x], "
        "leeway: 1s, ttl: 2s, negativeTtl: 3s, calls: 4"
    )
    signed_in = session(
        "cookieName: __Host-s, prefix: /auth/login, allowedGroups: [g], allowedEmails: [a@b], "
        "ttl: 1s, calls: 2"
    )
    client = Client("c", "tls_client_auth", None, Path("/k"), Path("/c"))
    ask = "https://i/ask"
    assert accepted(asked, signed_in, "{jwt: {issuer: j, audiences: [a], profile: rfc9068}}") == (
        Introspection(
            "https://i", client, ask, frozenset({"x"}), leeway_s=1, ttl_s=2, negative_ttl_s=3, calls=4
        ),
        Session("http://p", "__Host-s", "/auth/login", frozenset({"g"}), frozenset({"a@b"}), 1, 2),
        Jwt("j", audiences=frozenset({"a"}), profile="rfc9068"),
    )


def test_a_token_may_be_elsewhere_for_several_audiences_and_by_other_scopes():
    more = "audiences: [a, b], audienceMatch: all, scopes: [s], scopeStrategy: wildcard"
    jwt, ask = accepted(
        f"{{jwt: {{issuer: j, {more}, tokenFrom: {{cookie: t}}}}}}",
        introspection(f"clientSecretFile: /s, {more}, tokenFrom: {{header: x-token}}"),
    )
    assert not isinstance(jwt, Session)
    assert not isinstance(ask, Session)
    assert (jwt.location, ask.location) == (Location("", "", cookie="t"), Location("x-token", ""))
    for one in (jwt, ask):
        assert (one.audience_match, one.scope_strategy) == ("all", "wildcard")


def test_any_audience_has_to_be_said():
    (jwt,) = accepted("{jwt: {issuer: j, anyAudience: true, tokenFrom: {param: t}}}")
    assert jwt == Jwt("j", location=Location("", "", "t"))


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("issuer: j", ".jwt: audiences or anyAudience: true is needed, and not both"),
        ("issuer: j, audiences: []", ".jwt: audiences or anyAudience: true is needed, and not both"),
        (
            "issuer: j, audiences: [a], anyAudience: true",
            ".jwt: audiences or anyAudience: true is needed, and not both",
        ),
        (
            "issuer: j, audiences: [a], tokenFrom: {header: x, cookie: y}",
            ".jwt.tokenFrom: exactly one is expected of: header, param, cookie",
        ),
        (
            "issuer: j, audiences: [a], tokenFrom: {header: authorization}",
            ".jwt.tokenFrom.header: Authorization is where tokens are looked for if nothing is said",
        ),
        (
            "issuer: j, audiences: [a], tokenFrom: {param: a=b}",
            ".jwt.tokenFrom.param: a parameter's name has letters, digits and any of - . _ ~",
        ),
    ],
)
def test_where_a_token_is_and_for_whom_is_said_once(said, problem):
    assert problems(f"{{jwt: {{{said}}}}}") == [AT + problem]


def test_scopes_may_be_asked_for():
    both = accepted(
        "{jwt: {issuer: j, audiences: [a], scopes: [b]}}", introspection("clientSecretFile: /s, scopes: [c]")
    )
    assert [one.scopes for one in both if not isinstance(one, Session)] == [{"b"}, {"c"}]


def test_a_slash_at_the_end_of_an_address_means_nothing():
    assert accepted(session("ttl: 5s", "http://p:1/")) == (Session("http://p:1"),)


@pytest.mark.parametrize(
    "uri", ["", "https://i/keys", "http://127.0.0.1:9400/jwks", "https://i/keys?p=b2c_1"]
)
def test_the_keys_may_be_anywhere(uri):
    (jwt,) = accepted(f"{{jwt: {{issuer: i, audiences: [a], jwksUri: '{uri}'}}}}")
    assert not isinstance(jwt, Session)
    assert jwt == Jwt("i", uri, frozenset({"a"}))


@pytest.mark.parametrize(
    "uri",
    [
        "i/keys",
        "ftp://i/keys",
        "https://u:p@i/keys",
        "https:///keys",
        "https://i/keys#a",
        "https://i/keys?a#b",
        "https://i:0/",
        "https://i:70000/",
        "https://i/a b",
        "https://i/?a b",
        "https://i/?é",
        "/keys",
        "?a",
    ],
)
def test_keys_are_at_an_address(uri):
    (problem,) = problems(f"{{jwt: {{issuer: i, audiences: [a], jwksUri: '{uri}'}}}}")
    assert problem == f"{AT}.jwt.jwksUri: {KEYS}"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("{}", f"{AT}: exactly one is expected of: jwt, introspection, session"),
        ("{session: }", f"{AT}: exactly one is expected of: jwt, introspection, session"),
        ("{jwt: null, session: null}", f"{AT}: exactly one is expected of: jwt, introspection, session"),
        (
            "{jwt: {issuer: i, audiences: [a]}, session: {oauth2Proxy: http://p}}",
            f"{AT}: exactly one is expected of: jwt, introspection, session",
        ),
        ("{sessions: {}}", f"{AT}.sessions: unknown setting, did you mean session?"),
        ("{jwt: {issuer: i, audiences: [a], profile: x}}", f"{AT}.jwt.profile: choose from: any or rfc9068"),
        (
            f"{{introspection: {{{ASK}}}}}",
            f"{AT}.introspection: auth client_secret_basic takes clientSecretFile",
        ),
        (
            introspection("auth: client_secret_post, keyFile: /k"),
            f"{AT}.introspection: auth client_secret_post takes clientSecretFile",
        ),
        (introspection("auth: private_key_jwt"), f"{AT}.introspection: auth private_key_jwt takes keyFile"),
        (
            introspection("auth: private_key_jwt, keyFile: /k, clientSecretFile: /s"),
            f"{AT}.introspection: auth private_key_jwt has no use for clientSecretFile",
        ),
        (
            introspection("auth: tls_client_auth"),
            f"{AT}.introspection: auth tls_client_auth takes certFile and keyFile",
        ),
        (
            introspection("auth: none"),
            f"{AT}.introspection.auth: choose from: client_secret_basic, client_secret_post",
        ),
        (introspection("clientSecretFile: /s, endpoint: i/ask"), f"{AT}.introspection.endpoint: {URL}"),
        (introspection("clientSecretFile: /s, calls: 0"), f"{AT}.introspection.calls: it should be greater"),
        (introspection("clientSecretFile: /s, scopes: ['a b']"), f"{AT}.introspection.scopes[0]: {SCOPE}"),
        (session("ttl: 0s"), f"{AT}.session.ttl: a duration is longer than nothing"),
        (session("ttl: 5s", "p:4180"), f"{AT}.session.oauth2Proxy: {URL}"),
        (session("ttl: 5s", "http://u:p@h"), f"{AT}.session.oauth2Proxy: {URL}"),
        (session("ttl: 5s", "http://h/?a=b"), f"{AT}.session.oauth2Proxy: {URL}"),
        (session("cookieName: 'a b'"), f"{AT}.session.cookieName: {COOKIE}"),
        (session("cookieName: a;b"), f"{AT}.session.cookieName: {COOKIE}"),
        (session("prefix: /"), f"{AT}.session.prefix: {PREFIX}"),
        (session("prefix: oauth2"), f"{AT}.session.prefix: {PREFIX}"),
        (session("prefix: /oauth2/"), f"{AT}.session.prefix: {PREFIX}"),
        (session("prefix: /a/../b"), f"{AT}.session.prefix: {PREFIX}"),
        (session("allowedGroups: ['a,b']"), f"{AT}.session.allowedGroups[0]: {MEMBER}"),
        (session("allowedEmails: ['']"), f"{AT}.session.allowedEmails[0]: {MEMBER}"),
    ],
)
def test_a_mistake_in_a_kind_is_told_where_it_stands(accept, expected):
    found = problems(accept)
    assert found
    assert found[0].startswith(expected)


def test_an_opaque_token_and_a_browser_must_know_whom_to_ask():
    assert problems(SECRET, JWT, SECRET) == [
        "authorizers[0]: one introspection at most: an opaque token does not tell who issued it"
    ]
    assert problems(SESSION, SESSION) == [
        "authorizers[0]: one session at most: a browser is sent to one login"
    ]


TWO_VALUES = ["http://p has two values for cookieName, prefix or calls"]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("allowedGroups: [admins]", []),
        ("ttl: 1s", []),
        ("cookieName: other", TWO_VALUES),
        ("prefix: /other", TWO_VALUES),
        ("calls: 2", TWO_VALUES),
    ],
)
def test_one_oauth2_proxy_has_one_cookie_one_prefix_and_one_bound(more, expected):
    assert beside(SESSION, session(more)) == expected
    assert beside(SESSION, session(more, "http://p/")) == [one.replace("p ", "p/ ") for one in expected]


def beside(one, other):
    try:
        config.parse(f"authorizers: [{{name: a, accept: [{one}]}}, {{name: b, accept: [{other}]}}]")
    except config.Invalid as invalid:
        return list(invalid.problems)
    return []


def test_callers_without_a_credential_may_pass():
    settings = config.parse("authorizers: [{name: a, anonymous: {subject: guest}}]")
    assert authorizers_of(settings)["a"].anonymous == "guest"


def test_nobody_without_a_name_is_signed_for():
    text = "{name: a, anonymous: {subject: ''}, identityToken: {}}"
    with pytest.raises(config.Invalid, match="identityToken takes a subject of anonymous"):
        config.parse(f"authorizers: [{text}]\nidentityTokens: {{keys: [/k], issuer: https://i}}")
