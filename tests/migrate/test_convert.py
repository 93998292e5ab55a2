"""What single old rules become: the table that the guide promises."""

from collections.abc import Sequence
from typing import Any

import pytest

from authz.migrate.conversion.convert import Conversion, convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.report.rows import Verdict
from tests.migrate.written import (
    ASK,
    BY_MESH,
    KEYS,
    NOOP,
    OPEN,
    TOKEN,
    UNCHECKED,
    access_rule,
    access_rules,
    apirule,
    strategy,
)

NONE = Choices()
OURS = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}
ASKED = {
    "issuer": "https://idp",
    "endpoint": "https://idp/ask",
    "clientId": "authz",
    "clientSecretFile": "/etc/authz/secrets/authz-at-idp",
}


def converted(
    access: str, choices: Choices = NONE, mutators: str = "[]", more: Sequence[dict[str, Any]] = ()
) -> Conversion:
    return convert(apirule(strategy("/.*", "GET", access, mutators), *more), choices)


def rule(made: Conversion, index: int = 0) -> dict[str, Any]:
    assert not made.open, [one for one in made.findings if one.verdict is Verdict.DECISION]
    found: dict[str, Any] = made.apirules[0]["spec"]["rules"][index]
    return {name: value for name, value in found.items() if name not in ("path", "methods")}


def authorizer(made: Conversion) -> dict[str, Any]:
    (name,) = rule(made)["extAuth"]["authorizers"]
    (found,) = made.config["authorizers"]
    assert found["name"] == name
    return {key: value for key, value in found.items() if key != "name"}


@pytest.mark.parametrize("handler", ["allow", "no_auth", "noop"])
def test_what_was_open_is_open(handler):
    assert rule(converted(f"[{{handler: {handler}}}]")) == {"noAuth": True}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (KEYS, {"authentications": [OURS]}),
        (
            f"{KEYS}, required_scope: [a, b], target_audience: [c, d], scope_strategy: exact",
            {
                "authentications": [OURS],
                "authorizations": [{"requiredScopes": ["a", "b"], "audiences": ["c", "d"]}],
            },
        ),
        (
            "jwks_urls: [https://k], trusted_issuers: [https://a, https://b]",
            {
                "authentications": [
                    {"issuer": "https://a", "jwksUri": "https://k"},
                    {"issuer": "https://b", "jwksUri": "https://k"},
                ]
            },
        ),
        (
            "jwks_urls: [https://b/k, https://a/k], trusted_issuers: [https://a, https://b]",
            {
                "authentications": [
                    {"issuer": "https://a", "jwksUri": "https://a/k"},
                    {"issuer": "https://b", "jwksUri": "https://b/k"},
                ]
            },
        ),
        (
            "authentications: [{issuer: i, jwksUri: https://k}], authorizations: [{audiences: [a]}]",
            {
                "authentications": [{"issuer": "i", "jwksUri": "https://k"}],
                "authorizations": [{"audiences": ["a"]}],
            },
        ),
    ],
)
def test_a_signed_token_is_the_meshs_where_it_means_the_same(config, expected):
    made = converted(f"[{{handler: jwt, config: {{{config}}}}}]")
    assert rule(made) == {"jwt": expected}
    assert "authorizers" not in made.config


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (f"{KEYS}, required_scope: [a]", {"scopes": ["a"], "scopeStrategy": "wildcard", "anyAudience": True}),
        (
            f"{KEYS}, required_scope: [a], scope_strategy: HIERARCHIC, target_audience: [b, c]",
            {
                "scopes": ["a"],
                "scopeStrategy": "hierarchic",
                "audiences": ["b", "c"],
                "audienceMatch": "all",
            },
        ),
        (f"{KEYS}, token_from: {{cookie: t}}", {"tokenFrom": {"cookie": "t"}, "anyAudience": True}),
        (f"{KEYS}, token_from: {{header: X-T}}", {"tokenFrom": {"header": "x-t"}, "anyAudience": True}),
        (f"{KEYS}, token_from: {{query_parameter: t}}", {"tokenFrom": {"param": "t"}, "anyAudience": True}),
        (
            f"{KEYS}, allowed_algorithms: [ES256, HS256]",
            {"algorithms": ["ES256"], "anyAudience": True},
        ),
    ],
)
def test_a_signed_token_is_ours_where_the_mesh_can_not_say_it(config, expected):
    made = converted(f"[{{handler: jwt, config: {{{config}}}}}]")
    assert authorizer(made)["accept"] == [{"jwt": OURS | expected}]


def test_scopes_may_be_compared_to_the_letter_for_the_meshs_sake():
    choices = Choices(accepted=frozenset({"narrowed:scope-strategy"}))
    made = converted(f"[{{handler: jwt, config: {{{KEYS}, required_scope: [a]}}}}]", choices)
    assert rule(made)["jwt"]["authorizations"] == [{"requiredScopes": ["a"]}]
    narrowed = [one.code for one in made.findings if one.verdict is Verdict.NARROWED]
    assert narrowed == ["scope-strategy", "host-header"]


def test_the_usual_place_needs_no_word():
    made = converted(f"[{{handler: jwt, config: {{{KEYS}, token_from: {{header: Authorization}}}}}}]")
    assert rule(made) == {"jwt": {"authentications": [OURS]}}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (ASK, {"ttl": "1s"}),
        (f"{ASK}, cache: {{enabled: true, ttl: 60s}}", {"ttl": "60s"}),
        (f"{ASK}, cache: {{enabled: false, ttl: 60s}}", {"ttl": "1s"}),
        (
            f"{ASK}, required_scope: [a], target_audience: [b]",
            {"scopes": ["a"], "audiences": ["b"], "ttl": "1s"},
        ),
    ],
)
def test_an_opaque_token_is_introspected(config, expected):
    made = converted(f"[{{handler: oauth2_introspection, config: {{{config}}}}}]")
    assert authorizer(made)["accept"] == [{"introspection": ASKED | expected}]
    assert [secret.path for secret in made.secrets] == ["/etc/authz/secrets/authz-at-idp"]


@pytest.mark.parametrize(
    "who",
    [
        "introspection_request_headers: {Authorization: Basic c2hvcDpzM2NyZXQ=}",
        "pre_authorization: {enabled: true, client_id: shop, client_secret: s3cret, token_url: https://idp/t}",
    ],
)
def test_the_client_stays_and_its_secret_is_in_a_file(who):
    made = converted(f"[{{handler: oauth2_introspection, config: {{{ASK}, {who}}}}}]")
    asked = authorizer(made)["accept"][0]["introspection"]
    assert (asked["clientId"], asked["clientSecretFile"]) == ("shop", "/etc/authz/secrets/shop-at-idp")
    assert "s3cret" not in str(made)


def test_any_of_several_handlers_is_any_kind_that_an_authorizer_accepts():
    both = f"[{{handler: jwt, config: {{{KEYS}}}}}, {{handler: oauth2_introspection, config: {{{ASK}}}}}]"
    accept = authorizer(converted(both))["accept"]
    assert [next(iter(one)) for one in accept] == ["jwt", "introspection"]


def test_a_handler_that_no_token_reaches_is_left_out():
    both = f"[{{handler: oauth2_introspection, config: {{{ASK}}}}}, {{handler: jwt, config: {{{KEYS}}}}}]"
    assert [next(iter(one)) for one in authorizer(converted(both))["accept"]] == ["introspection"]


def test_a_workload_with_open_paths_has_its_tokens_checked_by_us():
    """The mesh would refuse a bad token on the open path too, where it passed before."""
    made = converted(TOKEN, more=[strategy("/x", "POST", NOOP)])
    assert "extAuth" in rule(made)
    assert rule(made, 1) == {"noAuth": True}


def test_a_workload_that_the_mesh_has_checked_stays_so():
    assert "jwt" in rule(converted(BY_MESH, more=[strategy("/x", "POST", UNCHECKED)]))


def test_people_are_signed_in_by_the_oauth2_proxy_that_is_named():
    access = "[{handler: cookie_session, config: {check_session_url: http://s/whoami, only: [sid]}}]"
    made = converted(access, Choices(session="http://proxy.auth:4180"))
    assert authorizer(made)["accept"] == [
        {"session": {"oauth2Proxy": "http://proxy.auth:4180", "cookieName": "sid"}}
    ]
    assert made.config["authorizers"]


@pytest.mark.parametrize(
    ("handler", "url"), [("oauth2_client_credentials", "token_url"), ("bearer_token", "check_session_url")]
)
def test_what_we_do_not_ask_becomes_a_token_of_an_issuer_that_is_named(handler, url):
    access = f"[{{handler: {handler}, config: {{{url}: https://idp/x}}}}]"
    assert converted(access).open
    made = converted(access, Choices(issuers={"https://idp/x": "https://idp"}))
    assert authorizer(made)["accept"][0]["introspection"]["issuer"] == "https://idp"


@pytest.mark.parametrize(
    ("mutators", "expected"),
    [
        (NOOP, {}),
        ("[{handler: header, config: {headers: {A: b}}}]", {"headers": {"A": "b", "X-Server": "oathkeeper"}}),
        (
            "[{handler: header, config: {headers: {A: 5%}}}]",
            {"headers": {"A": "5%%", "X-Server": "oathkeeper"}},
        ),
        (
            "[{handler: cookie, config: {cookies: {a: b}}}]",
            {"cookies": {"a": "b", "processedWith": "oathkeeper"}},
        ),
    ],
)
def test_what_is_the_same_for_everyone_is_set(mutators, expected):
    assert rule(converted(NOOP, mutators=mutators)).get("request", {}) == expected


def test_what_is_the_callers_is_a_claim():
    headers = 'X-A: "{{ print .Subject }}", X-B: "{{ .Extra.email }}"'
    mutators = f"[{{handler: header, config: {{headers: {{{headers}}}}}}}]"
    made = converted(TOKEN, mutators=mutators)
    assert authorizer(made)["identityHeaders"] == {"x-a": "sub", "x-b": "email"}


def test_what_hydra_keeps_beside_an_opaque_token_is_a_member_of_ext():
    mutators = (
        '[{handler: header, config: {headers: {X-A: "{{ print .Subject }}", X-B: "{{ .Extra.email }}"}}}]'
    )
    asked = f"{{handler: oauth2_introspection, config: {{{ASK}}}}}"
    made = converted(f"[{asked}]", mutators=mutators)
    assert authorizer(made)["identityHeaders"] == {"x-a": "sub", "x-b": "ext.email"}
    assert converted(f"[{{handler: jwt, config: {{{KEYS}}}}}, {asked}]", mutators=mutators).open


def test_an_identity_token_takes_the_place_of_an_id_token():
    claims = 'claims: \'{"mail": "{{ print .Extra.email }}"}\', issuer_url: https://o, ttl: 5m'
    mutators = f"[{{handler: id_token, config: {{{claims}}}}}]"
    assert converted(TOKEN, mutators=mutators).open
    made = converted(TOKEN, Choices(accepted=frozenset({"changed:id-token"})), mutators)
    assert authorizer(made)["identityToken"] == {"claims": {"mail": "email"}}
    assert made.config["identityTokens"] == {
        "keys": ["/etc/authz/identity"],
        "issuer": "https://o",
        "ttl": "300s",
    }


def test_allow_exposed_every_method():
    made = converted(OPEN)
    (row,) = [one for one in made.findings if one.code == "allow-methods"]
    assert (row.verdict, row.witness) == (Verdict.NARROWED, "HEAD /x")
    every = converted(OPEN, Choices(all_methods=True)).apirules[0]["spec"]["rules"][0]["methods"]
    assert len(every) == 9


def test_a_config_names_hosts_that_are_asked_without_tls():
    config = "introspection_url: http://hydra:4445/i, trusted_issuers: [https://idp]"
    made = converted(f"[{{handler: oauth2_introspection, config: {{{config}}}}}]")
    assert made.config["sources"] == {"plainHttpHosts": ["hydra"]}


def test_a_name_means_one_authorizer_whoever_converts():
    one = converted(f"[{{handler: jwt, config: {{{KEYS}, required_scope: [a]}}}}]")
    other = converted(f"[{{handler: jwt, config: {{{KEYS}, required_scope: [b]}}}}]")
    assert rule(one) != rule(other)
    assert rule(one) == rule(converted(f"[{{handler: jwt, config: {{{KEYS}, required_scope: [a]}}}}]"))


def test_every_old_rule_says_where_it_went():
    pairs = converted(NOOP, more=[strategy("/a|/a/.*", "POST")]).pairs
    assert [(pair.apirule, pair.indices) for pair in pairs] == [("apps/shop", (0,)), ("apps/shop", (1, 2))]


@pytest.mark.parametrize(
    ("handlers", "kinds", "anonymous"),
    [
        ("{handler: anonymous}", [], {"subject": "anonymous"}),
        (
            f"{{handler: jwt, config: {{{KEYS}}}}}, {{handler: anonymous, config: {{subject: guest}}}}",
            ["jwt"],
            {"subject": "guest"},
        ),
        (f"{{handler: jwt, config: {{{KEYS}}}}}, {{handler: noop}}", ["jwt"], {"subject": ""}),
    ],
)
def test_who_shows_nothing_passes_as_before_and_a_bad_token_does_not(handlers, kinds, anonymous):
    made = authorizer(converted(f"[{handlers}]"))
    assert [next(iter(one)) for one in made.get("accept", [])] == kinds
    assert made["anonymous"] == anonymous


def test_the_name_of_nobody_is_told_as_a_claim():
    mutators = '[{handler: header, config: {headers: {X-User: "{{ print .Subject }}"}}}]'
    assert authorizer(converted("[{handler: anonymous}]", mutators=mutators))["identityHeaders"] == {
        "x-user": "sub"
    }


def test_a_person_may_have_anonymous_mean_everyone():
    made = converted("[{handler: anonymous}]", Choices(accepted=frozenset({"widened:anonymous"})))
    assert rule(made) == {"noAuth": True}
    assert [one.code for one in made.findings if one.verdict is Verdict.WIDENED] == ["anonymous"]


@pytest.mark.parametrize(
    ("handlers", "written"),
    [
        (f"{{handler: noop}}, {{handler: jwt, config: {{{KEYS}}}}}", [{"noAuth": True}]),
        (f"{{handler: unauthorized}}, {{handler: jwt, config: {{{KEYS}}}}}", []),
        (
            f"{{handler: jwt, config: {{{KEYS}}}}}, {{handler: unauthorized}}",
            [{"jwt": {"authentications": [OURS]}}],
        ),
    ],
)
def test_a_handler_that_answers_every_request_hides_those_behind_it(handlers, written):
    made = converted(f"[{handlers}]")
    assert not made.open
    assert [rule(made) for _ in made.apirules] == written


def on_hosts(*urls: str) -> dict[str, list[str]]:
    """Of each host the paths of its rules."""
    made = convert(access_rules(*map(access_rule, urls)), Choices(gateway="a/b"))
    return {one["spec"]["hosts"][0]: [rule["path"] for rule in one["spec"]["rules"]] for one in made.apirules}


@pytest.mark.parametrize(
    ("urls", "expected"),
    [
        (
            ["<http|https>://<(www\\.)?>x.example.com/a"],
            {"x.example.com": ["/a"], "www.x.example.com": ["/a"]},
        ),
        (["<http|https>://<.*>.example.com/a"], {"*.example.com": ["/a"]}),
        (["<http|https>://<[a-z]+>.example.com/a"], {}),
        (
            ["<http|https>://<.*>.example.com/a", "<http|https>://shop.example.com/b"],
            {"*.example.com": ["/a"], "shop.example.com": ["/b", "/a"]},
        ),
    ],
)
def test_a_host_that_is_a_pattern_becomes_the_same_hosts(urls, expected):
    assert on_hosts(*urls) == expected
