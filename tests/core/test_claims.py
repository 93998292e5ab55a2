"""What a verified token claims."""

import pytest

from authz.core import claims, jwt
from authz.core.jwt import Jws
from authz.core.policy import Jwt
from authz.core.reason import Reason, Refused
from authz.core.token import Token
from tests import idp

NOW = idp.NOW
ANY_AUDIENCE = Jwt(idp.ISSUER, leeway_s=30)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"exp": NOW - 29.9}, None),
        ({"exp": NOW - 30}, Reason.TOKEN_EXPIRED),
        ({"exp": NOW - 300}, Reason.TOKEN_EXPIRED),
        ({"exp": 0}, Reason.TOKEN_EXPIRED),
        ({"exp": -1}, Reason.TOKEN_EXPIRED),
        ({"exp": None}, Reason.CLAIMS_MALFORMED),
        ({"exp": "1800000300"}, Reason.CLAIMS_MALFORMED),
        ({"exp": True}, Reason.CLAIMS_MALFORMED),
        ({"exp": [NOW]}, Reason.CLAIMS_MALFORMED),
        ({"exp": float("inf")}, Reason.CLAIMS_MALFORMED),
        ({"exp": 10**400}, Reason.CLAIMS_MALFORMED),
        ({"exp": float("nan")}, Reason.CLAIMS_MALFORMED),
        ({"exp": 10**12}, None),
        ({"nbf": NOW + 30}, None),
        ({"nbf": NOW + 31}, Reason.TOKEN_NOT_YET_VALID),
        ({"nbf": "soon"}, Reason.CLAIMS_MALFORMED),
        ({"iat": NOW + 31}, Reason.TOKEN_NOT_YET_VALID),
        ({"iat": None}, None),
        ({"sub": None}, Reason.CLAIMS_MALFORMED),
        ({"sub": ""}, Reason.CLAIMS_MALFORMED),
        ({"sub": 7}, Reason.CLAIMS_MALFORMED),
        ({"aud": ["other", "shop"]}, None),
        ({"aud": [*"12345678", "shop"]}, None),
        ({"aud": [*"123456789"]}, Reason.AUDIENCE_MISMATCH),
        ({"aud": None}, Reason.AUDIENCE_MISMATCH),
        ({"aud": []}, Reason.AUDIENCE_MISMATCH),
        ({"aud": "sho"}, Reason.AUDIENCE_MISMATCH),
        ({"aud": "shop "}, Reason.AUDIENCE_MISMATCH),
        ({"aud": {"shop": 1}}, Reason.CLAIMS_MALFORMED),
        ({"aud": ["shop", 7]}, Reason.CLAIMS_MALFORMED),
        ({"typ": "Bearer"}, None),
        ({"typ": "ID"}, Reason.TOKEN_KIND),
        ({"typ": "Refresh"}, Reason.TOKEN_KIND),
        ({"token_use": "access"}, None),
        ({"token_use": "id"}, Reason.TOKEN_KIND),
        ({"at_hash": "x"}, Reason.TOKEN_KIND),
        ({"events": {}}, Reason.TOKEN_KIND),
    ],
)
def test_claims_are_judged_at_now(changes, expected):
    assert judged(Jws("RS256", "", "JWT", idp.claims(**changes)), idp.ACCEPT) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("JWT", None),
        ("jwt", None),
        ("at+jwt", None),
        ("application/at+jwt", None),
        ("logout+jwt", Reason.TOKEN_KIND),
        ("dpop+jwt", Reason.TOKEN_KIND),
        ("", Reason.TOKEN_KIND),
        ("JOSE", Reason.TOKEN_KIND),
    ],
)
def test_only_an_access_token_is_one(kind, expected):
    assert judged(Jws("RS256", "", kind, idp.CLAIMS), idp.ACCEPT) is expected


@pytest.mark.parametrize(
    ("claimed", "asked", "expected"),
    [
        ({"scope": "read write"}, {"read"}, None),
        ({"scope": "read write"}, {"read", "write"}, None),
        ({"scp": ["read", "write"]}, {"read", "write"}, None),
        ({"scope": "read"}, {"read", "write"}, Reason.SCOPE_MISSING),
        ({"scope": "read", "scp": ["write"]}, {"read", "write"}, Reason.SCOPE_MISSING),
        ({"scope": "reader"}, {"read"}, Reason.SCOPE_MISSING),
        ({"scope": None}, {"read"}, Reason.SCOPE_MISSING),
        ({"scope": {"read": 1}}, {"read"}, Reason.SCOPE_MISSING),
        ({"scope": [{"read": 1}, ["read"], "read"]}, {"read"}, None),
    ],
)
def test_an_issuers_tokens_may_have_to_have_scopes(claimed, asked, expected):
    accept = Jwt(idp.ISSUER, scopes=frozenset(asked))
    assert judged(Jws("RS256", "", "JWT", idp.claims(**claimed)), accept) is expected


@pytest.mark.parametrize(
    ("claimed", "match", "expected"),
    [
        (["shop"], "any", None),
        (["shop"], "all", Reason.AUDIENCE_MISMATCH),
        (["cart", "shop", "more"], "all", None),
        (["more"], "any", Reason.AUDIENCE_MISMATCH),
    ],
)
def test_a_token_may_have_to_be_for_all_audiences(claimed, match, expected):
    accept = Jwt(idp.ISSUER, audiences=frozenset({"shop", "cart"}), audience_match=match)
    assert judged(Jws("RS256", "", "JWT", idp.claims(aud=claimed)), accept) is expected


@pytest.mark.parametrize(
    ("strategy", "expected"), [("exact", Reason.SCOPE_MISSING), ("hierarchic", None), ("wildcard", None)]
)
def test_a_scope_may_grant_others(strategy, expected):
    accept = Jwt(idp.ISSUER, scopes=frozenset({"shop.read"}), scope_strategy=strategy)
    claimed = idp.claims(scp=["shop", "shop.*"])
    assert judged(Jws("RS256", "", "JWT", claimed), accept) is expected


def test_without_audiences_any_will_do():
    assert judged(Jws("RS256", "", "JWT", idp.claims(aud=None)), ANY_AUDIENCE) is None


@pytest.mark.parametrize(
    ("issuer", "algorithm", "expected"),
    [
        (idp.ISSUER, "RS256", idp.ACCEPT),
        (idp.ISSUER + "/", "RS256", Reason.ISSUER_UNKNOWN),
        (idp.ISSUER[:-1], "RS256", Reason.ISSUER_UNKNOWN),
        (idp.ISSUER.upper(), "RS256", Reason.ISSUER_UNKNOWN),
        ([idp.ISSUER], "RS256", Reason.ISSUER_UNKNOWN),
        (None, "RS256", Reason.ISSUER_UNKNOWN),
        (idp.ISSUER, "none", Reason.ALGORITHM_REFUSED),
        (idp.ISSUER, "None", Reason.ALGORITHM_REFUSED),
        (idp.ISSUER, "HS256", Reason.ALGORITHM_REFUSED),
        (idp.ISSUER, "rs256", Reason.ALGORITHM_REFUSED),
        (idp.ISSUER, "ES256K", Reason.ALGORITHM_REFUSED),
    ],
)
def test_issuer_and_algorithm_are_compared_to_the_letter(issuer, algorithm, expected):
    assert chosen(Jws(algorithm, "", "", {"iss": issuer})) == expected


PAYLOAD = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"


@pytest.mark.parametrize(
    ("header", "signature"),
    [
        ("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        ("eyJhbGciOiJub25lIn0", ""),
    ],
    ids=["RFC 7519 3.1 and RFC 7515 A.1, HS256", "RFC 7519 6.1, none"],
)
def test_the_examples_of_rfc_7519_are_refused_for_their_algorithms(header, signature):
    with pytest.raises(Refused, match="ALGORITHM_REFUSED"):
        claims.issuer(jwt.parse(Token(f"{header}.{PAYLOAD}.{signature}")), (Jwt("joe"),))


def judged(jws: Jws, accept: Jwt) -> Reason | None:
    try:
        claims.check(claims.read(jws), accept, NOW)
    except Refused as refused:
        return refused.reason
    return None


def chosen(jws: Jws) -> Jwt | Reason:
    try:
        return claims.issuer(jws, (Jwt("other"), idp.ACCEPT))
    except Refused as refused:
        return refused.reason


PROFILE = Jwt(idp.ISSUER, profile="rfc9068")
COMPLETE = {"client_id": "c", "jti": "1"}


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        ("at+jwt", COMPLETE, None),
        ("application/AT+JWT", COMPLETE, None),
        ("JWT", COMPLETE, Reason.TOKEN_KIND),
        ("", COMPLETE, Reason.TOKEN_KIND),
        *(
            ("at+jwt", COMPLETE | {name: None}, Reason.CLAIMS_MALFORMED)
            for name in ("exp", "aud", "sub", "client_id", "iat", "jti")
        ),
    ],
)
def test_an_issuer_may_be_held_to_rfc_9068(kind, changes, expected):
    jws = Jws("RS256", "", kind, idp.claims(**changes))
    if expected is None:
        assert claims.issuer(jws, (PROFILE,)) is PROFILE
        return
    with pytest.raises(Refused) as refused:
        claims.issuer(jws, (PROFILE,))
    assert refused.value.reason is expected
