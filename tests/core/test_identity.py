"""Claims turned into headers."""

from collections.abc import Mapping

import pytest

from authz.core import identity
from authz.core.claims import Claims
from authz.core.reason import Reason, Refused


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("alice", "alice"),
        ("Zoë 漢", "Zoë 漢"),
        ("", None),
        (7, "7"),
        (1.5, "1.5"),
        (True, "true"),
        (False, "false"),
        ([], None),
        ([""], None),
        (["a", "b"], "a,b"),
        (["cn=x,ou=y", "100%"], "cn=x%2Cou=y,100%25"),
        ("a\r\nx-admin: 1", Reason.IDENTITY_UNUSABLE),
        ("a\0", Reason.IDENTITY_UNUSABLE),
        ("a\x7f", Reason.IDENTITY_UNUSABLE),
        ("\ud800", Reason.IDENTITY_UNUSABLE),
        (" a", Reason.IDENTITY_UNUSABLE),
        ("a ", Reason.IDENTITY_UNUSABLE),
        ("a\t", Reason.IDENTITY_UNUSABLE),
        (["a", "b\n"], Reason.IDENTITY_UNUSABLE),
        ("a" * 8_193, Reason.IDENTITY_UNUSABLE),
        ({"a": 1}, Reason.IDENTITY_UNUSABLE),
        ([["a"]], Reason.IDENTITY_UNUSABLE),
        (None, Reason.IDENTITY_UNUSABLE),
    ],
)
def test_a_claim_becomes_one_header_value_or_none_or_is_refused(claim, expected):
    """An empty value would look like somebody without a name."""
    assert header({"c": claim}, "c") == expected


def test_a_claim_that_is_not_there_sets_no_header():
    assert identity.headers(claims({"sub": "a"}), {"x-sub": "sub", "x-email": "email"}) == {"x-sub": "a"}


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("ext.email", "a@example.com"),
        ("ext.team.lead", "bob"),
        ("https://example.com/role", "admin"),
        ("ext", Reason.IDENTITY_UNUSABLE),
        ("ext.team", Reason.IDENTITY_UNUSABLE),
        ("ext.null", Reason.IDENTITY_UNUSABLE),
        ("ext.no", None),
        ("ext.email.no", None),
        ("no.email", None),
        ("ext.", None),
        (".email", None),
        ("list.0", None),
    ],
)
def test_a_claim_is_found_by_its_name_or_by_the_way_to_a_member(claim, expected):
    found = {
        "ext": {"email": "a@example.com", "team": {"lead": "bob"}, "null": None},
        "https://example.com/role": "admin",
        "list": ["a"],
    }
    assert header(found, claim) == expected


def test_a_claim_whose_own_name_has_a_dot_comes_first():
    assert header({"ext": {"email": "member"}, "ext.email": "claim"}, "ext.email") == "claim"


def test_claims_are_not_printed():
    assert "alice" not in repr(claims({"sub": "alice"}))


def claims(members: Mapping[str, object]) -> Claims:
    return Claims(frozenset(), 0, 0, members)


def header(members: Mapping[str, object], claim: str) -> str | Reason | None:
    try:
        return identity.headers(claims(members), {"x-c": claim}).get("x-c")
    except Refused as refused:
        return refused.reason


@pytest.mark.parametrize(("subject", "expected"), [("guest", {"x-user": "guest"}), ("", {})])
def test_nobody_is_always_the_same_and_may_have_a_name(subject, expected):
    caller = identity.nobody(subject)
    assert caller is identity.nobody(subject)
    assert caller.headers({"x-user": "sub", "x-email": "email"}) == expected


def test_who_comes_again_is_told_of_by_the_names_that_are_asked_for_then():
    caller = identity.Caller(claims({"sub": "alice"}))
    names, others = {"x-user": "sub"}, {"x-subject": "sub"}
    first = caller.headers(names)
    assert caller.headers(names) is first
    assert [first, caller.headers(others), caller.headers(names)] == [
        {"x-user": "alice"},
        {"x-subject": "alice"},
        {"x-user": "alice"},
    ]
