"""Scopes, audiences, and the allowance."""

import pytest

from authz.core import authorize, path
from authz.core.claims import Claims
from authz.core.policy import Authorizer, Check, Policy, Requirement, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request

READ = Requirement(frozenset({"read"}))
BOTH = Requirement(frozenset({"read", "write"}))
AT_SHOP = Requirement(frozenset({"read"}), frozenset({"shop", "eu"}))
ANYONE = Requirement()


@pytest.mark.parametrize(
    ("claims", "audiences", "any_of", "expected"),
    [
        ({}, (), (), None),
        ({}, (), (ANYONE,), None),
        ({"scope": "read"}, (), (READ,), None),
        ({"scope": "write read"}, (), (READ,), None),
        ({"scp": "read"}, (), (READ,), None),
        ({"scp": ["read"]}, (), (READ,), None),
        ({"scopes": ["write", "read", 7]}, (), (BOTH,), None),
        ({"scope": "reader"}, (), (READ,), Reason.SCOPE_MISSING),
        ({"scope": "READ"}, (), (READ,), Reason.SCOPE_MISSING),
        ({"scope": "read", "scp": "write"}, (), (BOTH,), Reason.SCOPE_MISSING),
        ({"scope": {"read": 1}}, (), (READ,), Reason.SCOPE_MISSING),
        ({}, (), (READ,), Reason.SCOPE_MISSING),
        ({"scope": "read"}, (), (BOTH, READ), None),
        ({"scope": "read"}, ("shop", "eu"), (AT_SHOP,), None),
        ({"scope": "read"}, ("shop",), (AT_SHOP,), Reason.AUDIENCE_MISMATCH),
        ({}, ("eu", "shop"), (AT_SHOP,), Reason.SCOPE_MISSING),
        ({"scope": "read"}, (), (AT_SHOP, READ), None),
    ],
)
def test_one_requirement_must_be_met_in_full(claims, audiences, any_of, expected):
    assert required(claims, audiences, any_of) is expected


def test_a_refusal_names_the_scopes_that_would_do():
    with pytest.raises(Refused) as refused:
        authorize.require(Claims(frozenset(), 0, 0, {}), (BOTH,))
    assert refused.value.scopes == ("read", "write")


@pytest.mark.parametrize(
    ("checks", "headers", "sent", "remove", "reason"),
    [
        ((), {}, {}, ("x-auth-email", "x-auth-subject"), Reason.PUBLIC),
        ((Check(Authorizer("a")),), {"x-auth-subject": "a"}, {}, ("x-auth-email",), Reason.AUTHORIZED),
        (
            (),
            {},
            {"x_auth_subject": "root", "x-auth_email": "r", "x_other": "1", "x-auth-subject": "r"},
            ("x-auth-email", "x-auth-subject", "x_auth_subject", "x-auth_email"),
            Reason.PUBLIC,
        ),
    ],
)
def test_an_allowance_removes_every_identity_header_it_does_not_set(checks, headers, sent, remove, reason):
    policy = Policy(identity_headers=frozenset({"x-auth-subject", "x-auth-email"}))
    rule = Rule("r", frozenset({"GET"}), path.parse("/*"), checks)
    allow = authorize.allow(policy, rule, Request("GET", "h", "/", headers=sent), headers)
    assert (allow.reason, allow.headers, allow.remove) == (reason, headers, remove)


def required(
    claims: dict[str, object], audiences: tuple[str, ...], any_of: tuple[Requirement, ...]
) -> Reason | None:
    try:
        authorize.require(Claims(frozenset(audiences), 0, 0, claims), any_of)
    except Refused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    ("cookie", "headers", "remove"),
    [
        (None, {}, ()),
        ("a=1", {}, ()),
        ("a=1; s=x; b=2", {"cookie": "a=1; b=2"}, ()),
        ("s=x", {}, ("cookie",)),
    ],
)
@pytest.mark.parametrize("told", [{}, {"x-auth-subject": "a"}])
def test_a_session_of_the_host_is_kept_from_the_workload(cookie, headers, remove, told):
    """And it costs the workload nothing of what it is told, nor the client's own claims their removal."""
    rule = Rule("r", frozenset({"GET"}), path.parse("/*"), cookies=("s",))
    sent = {"x-auth_email": "root"} if cookie is None else {"x-auth_email": "root", "cookie": cookie}
    policy = Policy(identity_headers=frozenset({"x-auth-subject", "x-auth-email"}))
    allowed = authorize.allow(policy, rule, Request("GET", "h", "/", headers=sent), told, ("new",))
    known = ("x-auth-email",) if told else ("x-auth-email", "x-auth-subject")
    assert (allowed.headers, allowed.cookies) == (told | headers, ("new",))
    assert allowed.remove == (*known, "x-auth_email", *remove)


def test_what_signs_people_in_sees_their_cookies():
    rule = Rule("r", frozenset({"GET"}), path.parse("/oauth2/callback"))
    allowed = authorize.allow(Policy(), rule, Request("GET", "h", "/", headers={"cookie": "s=x"}), {})
    assert (allowed.headers, allowed.remove) == ({}, ())
