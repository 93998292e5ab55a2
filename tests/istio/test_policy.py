"""The authorizer's policy says what the mesh's objects say."""

import pytest
import yaml

from authz.core.cors import Cors
from authz.core.policy import (
    BEARER,
    IDENTITY_HEADERS,
    Authorizer,
    Check,
    Jwt,
    Location,
    Requirement,
    Session,
)
from authz.istio import apirule, placement, policy
from authz.istio.apirule import APIRule
from tests.istio.meshes import known

ISSUER = "https://idp.example.com"
KEYS = "https://idp.example.com/keys"
KEYCLOAK = Authorizer("keycloak", (Jwt(ISSUER),), {"x-user": "sub"})
BARE = known([])


def document(access, **changed):
    text = f"""
        apiVersion: gateway.kyma-project.io/v2
        kind: APIRule
        metadata: {{name: shop, namespace: shop}}
        spec:
          gateway: gateways/main
          hosts: [shop.example.com]
          service: {{name: shop, port: 80}}
          rules: [{{path: /a, methods: [GET, PUT], {access}}}]
    """
    loaded = yaml.safe_load(text)
    loaded["metadata"] |= changed
    return loaded


def jwt(location=BEARER, *any_of):
    return Check(Authorizer("jwt", (Jwt(ISSUER, KEYS, location=location),), IDENTITY_HEADERS), any_of)


IDP = f"issuer: {ISSUER!r}, jwksUri: {KEYS!r}"
IN_HEADER = f"{IDP}, fromHeaders: [{{name: X-Token, prefix: 'T '}}]"
IN_QUERY = f"{IDP}, fromParams: [token]"
EITHER = "authorizations: [{requiredScopes: [a, b]}, {audiences: [c]}]"
SCOPES, AUDIENCE = Requirement(frozenset({"a", "b"})), Requirement(audiences=frozenset({"c"}))

CHECKS = [
    ("noAuth: true", ()),
    (f"jwt: {{authentications: [{{{IDP}}}]}}", (jwt(),)),
    (f"jwt: {{authentications: [{{{IN_HEADER}}}]}}", (jwt(Location("x-token", "T ")),)),
    (f"jwt: {{authentications: [{{{IN_QUERY}}}]}}", (jwt(Location(param="token")),)),
    (f"jwt: {{authentications: [{{{IDP}}}], {EITHER}}}", (jwt(BEARER, SCOPES, AUDIENCE),)),
    ("extAuth: {authorizers: [keycloak]}", (Check(KEYCLOAK),)),
    ("extAuth: {authorizers: [keycloak, opa]}", (Check(KEYCLOAK), Check(Authorizer("opa")))),
    (
        f"extAuth: {{authorizers: [keycloak], restrictions: {{authentications: [{{{IDP}}}]}}}}",
        (Check(KEYCLOAK), jwt()),
    ),
]


@pytest.mark.parametrize(("access", "checks"), CHECKS)
def test_a_rule_asks_what_its_author_wrote(access, checks):
    built = policy.build([apirule.parse(document(access))], {"keycloak": KEYCLOAK}, BARE)
    (rule,) = built.hosts["shop.example.com"].rules
    assert (rule.name, sorted(rule.methods), str(rule.path)) == ("shop/shop/0", ["GET", "PUT"], "/a")
    assert rule.checks == checks


def test_every_header_that_may_carry_an_identity_is_known():
    built = policy.build([], {"keycloak": KEYCLOAK}, BARE)
    assert built.identity_headers == {*IDENTITY_HEADERS, "x-user"}


@pytest.mark.parametrize(
    ("one", "other", "owner"),
    [
        (
            {"creationTimestamp": "2026-01-02T00:00:00Z"},
            {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "shop/b",
        ),
        (
            {"creationTimestamp": "2026-01-01T00:00:00Z"},
            {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "shop/a",
        ),
        ({}, {"creationTimestamp": "2026-01-01T00:00:00Z"}, "shop/b"),
        ({}, {}, "shop/a"),
        ({"namespace": "z"}, {}, "shop/b"),
    ],
)
def test_the_elder_of_two_apirules_keeps_the_host(one, other, owner):
    rules = [
        apirule.parse(document("noAuth: true", name="a", **one)),
        apirule.parse(document("noAuth: true", name="b", **other)),
    ]
    built = policy.build(rules, {}, BARE)
    assert built.hosts["shop.example.com"].rules[0].name == f"{owner}/0"


def test_a_short_host_of_an_unknown_gateway_is_served_to_nobody():
    short = document("noAuth: true")
    short["spec"]["hosts"] = ["shop"]
    assert policy.build([apirule.parse(short)], {}, BARE).hosts == {}


def test_a_rule_without_a_service_is_not_one_that_parse_returns():
    loose = document("noAuth: true")
    del loose["spec"]["service"]
    with pytest.raises(ValueError, match="shop/shop/0 leads to no service"):
        placement.service(APIRule.model_validate(loose), 0)


PEOPLE = Authorizer("people", (Jwt(ISSUER), Session("http://p.auth", "__Host-s")))
ORIGINS = {
    "allowOrigins": [{"exact": "https://a"}, {"prefix": "https://b."}, {"regex": "https://c.*"}],
    "allowCredentials": True,
    "exposeHeaders": ["x-id"],
}
CORS = Cors(frozenset({"https://a"}), ("https://b.",), ("https://c.*",), credentials=True, exposed=("x-id",))


def built(access, **spec):
    loaded = document(access)
    loaded["spec"] |= spec
    made = policy.build([apirule.parse(loaded)], {"people": PEOPLE}, BARE)
    return made.hosts["shop.example.com"]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({}, None),
        ({"corsPolicy": {"allowMethods": ["GET"]}}, None),
        ({"corsPolicy": ORIGINS}, CORS),
        ({"corsPolicy": {"allowOrigins": [{"exact": "*"}]}}, Cors(frozenset({"*"}))),
    ],
)
def test_a_rule_knows_whose_scripts_may_read_its_refusals(written, expected):
    (rule,) = built("noAuth: true", **written).rules
    assert rule.cors == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"corsPolicy": ORIGINS, "enforcement": "Gateway"}, [("shop/shop/0", {"OPTIONS"}, (), CORS)]),
        ({"corsPolicy": ORIGINS}, []),
        ({"enforcement": "Gateway"}, []),
    ],
)
def test_preflights_pass_where_the_authorizer_is_asked_before_envoys_cors_filter(spec, expected):
    access = f"jwt: {{authentications: [{{{IDP}}}]}}"
    preflights = built(access, **spec).preflights
    assert [(one.name, one.methods, one.checks, one.cors) for one in preflights] == expected


def test_the_sessions_of_a_host_are_kept_from_all_its_workloads_but_not_from_the_login():
    two = "extAuth: {authorizers: [people]}}, {path: /b, methods: [GET], noAuth: true"
    rules = built(two, enforcement="Gateway").rules
    assert {rule.name: rule.cookies for rule in rules} == {
        "shop/shop/oauth2": (),
        "shop/shop/0": ("__Host-s",),
        "shop/shop/1": ("__Host-s",),
    }
