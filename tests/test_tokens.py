"""Identity tokens in the configuration file: what they take, and how they arrive."""

import pytest

from authz import config
from authz.core.policy import IDENTITY_HEADERS, IdentityToken
from authz.istio import policy
from authz.server.authorizers import authorizers_of

JWT = "{jwt: {issuer: https://i, audiences: [a]}}"
SIGNED = "identityTokens: {keys: [/k.pem], issuer: https://us}"


def read(text: str, token: str = "{}") -> config.Config:
    return config.parse(f"{text}\nauthorizers: [{{name: a, accept: [{JWT}], identityToken: {token}}}]")


def problems(text: str, token: str = "{}") -> list[str]:
    try:
        read(text, token)
    except config.Invalid as invalid:
        return list(invalid.problems)
    return []


@pytest.mark.parametrize(
    ("text", "token", "expected"),
    [
        (SIGNED, "{}", []),
        (SIGNED, "null", []),
        ("", "null", []),
        ("", "{}", ["an authorizer's identityToken takes identityTokens.keys"]),
        ("identityTokens: {keys: [/k]}", "null", ["identityTokens: keys take an issuer"]),
        ("identityTokens: {ttl: 9s}", "null", ["identityTokens: ttl is 10s at least and 1h at most"]),
        ("identityTokens: {ttl: 2h}", "null", ["identityTokens: ttl is 10s at least and 1h at most"]),
        (
            "identityTokens: {header: authorization}",
            "null",
            ["identityTokens.header: the header authorization has a meaning of its own"],
        ),
        (
            "identityTokens: {key: /k}",
            "null",
            ["identityTokens.key: unknown setting, did you mean keys?"],
        ),
        (
            SIGNED,
            "{}, identityHeaders: {x-auth-identity: sub}",
            ["identityHeaders: x-auth-identity is for identity tokens"],
        ),
        (
            SIGNED,
            "{claims: {sub: email, exp: x, role: role}}",
            ["authorizers[0].identityToken: claims can not be set: exp, sub"],
        ),
    ],
)
def test_what_can_not_work_is_refused_when_the_file_is_read(text, token, expected):
    assert problems(text, token) == expected


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("null", None),
        (
            "{}",
            IdentityToken("x-auth-identity", claims={"email": "email", "groups": "groups", "scope": "scope"}),
        ),
        (
            "{audience: grafana, claims: {role: roles}}",
            IdentityToken("x-auth-identity", "grafana", {"role": "roles"}),
        ),
    ],
)
def test_every_setting_arrives(token, expected):
    assert authorizers_of(read(SIGNED, token))["a"].identity_token == expected


def test_its_header_is_one_that_clients_can_not_send():
    settings = read(SIGNED.replace("issuer", "header: x-jwt-assertion, issuer"))
    headers = policy.identity_headers(authorizers_of(settings).values())
    assert headers == {*IDENTITY_HEADERS, "x-jwt-assertion"}
