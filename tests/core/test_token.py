"""Finding the one token of a request."""

import pytest

from authz.core import token
from authz.core.policy import Authorizer, Jwt, Location
from authz.core.reason import Reason, Refused
from authz.core.request import Request

LONG = "a" * 16_385
HEADER = Location("x-token", "")
PARAM = Location(param="token")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Bearer abc.def.ghi", "abc.def.ghi"),
        ("bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        (None, None),
        ("Basic abc", None),
        ("Bearer", None),
        ("", None),
        ("Bearer AAA,Bearer BBB", Reason.CREDENTIAL_AMBIGUOUS),
        ("Basic abc,Bearer def", Reason.CREDENTIAL_AMBIGUOUS),
        ("Bearer ", ""),
        ("Bearer a b", "a b"),
        (f"Bearer {LONG}", Reason.TOKEN_TOO_LONG),
    ],
)
def test_a_bearer_token_is_read_from_the_authorization_header(value, expected):
    headers = {} if value is None else {"authorization": value}
    assert found(Location(), Request("GET", "h", "/", headers=headers)) == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("token=abc", "abc"),
        ("a=b&token=abc", "abc"),
        ("", None),
        ("other=abc", None),
        ("token=", ""),
        ("token=abc&token=abc", Reason.CREDENTIAL_AMBIGUOUS),
        ("&".join(["a=b"] * 101), Reason.CREDENTIAL_AMBIGUOUS),
    ],
)
def test_a_token_is_read_from_a_query_parameter_if_told_to(query, expected):
    assert found(PARAM, Request("GET", "h", "/", query)) == expected


def test_a_header_of_its_own_needs_no_scheme():
    assert found(HEADER, Request("GET", "h", "/", headers={"x-token": "abc"})) == "abc"


@pytest.mark.parametrize(
    ("headers", "query", "expected"),
    [
        ({"authorization": "Bearer abc"}, "", ("abc", ["a", "b"])),
        ({"x-token": "def"}, "", ("def", ["c"])),
        ({"authorization": "Bearer abc", "x-token": "def"}, "", ("abc", ["a", "b"])),
        ({}, "", Reason.TOKEN_MISSING),
    ],
)
def test_the_first_place_with_a_token_decides(headers, query, expected):
    authorizer = Authorizer("x", (Jwt("a"), Jwt("b"), Jwt("c", location=HEADER)))
    assert first(authorizer, Request("GET", "h", "/", query, headers)) == expected


def test_an_authorizer_that_accepts_nothing_refuses_everyone():
    with pytest.raises(Refused, match="AUTHORIZER_ELSEWHERE"):
        token.first(Authorizer("x"), Request("GET", "h", "/", headers={"authorization": "Bearer a"}))


def test_a_token_is_never_shown():
    secret = token.Token("s3cret")
    carrier = Request("GET", "h", "/", headers={"authorization": "Bearer s3cret"})
    assert "s3cret" not in f"{secret} {secret!r} {[secret]} {carrier}"


def first(authorizer: Authorizer, request: Request) -> tuple[str, list[str]] | Reason:
    try:
        presented, accepted = token.first(authorizer, request)
    except Refused as refused:
        return refused.reason
    return presented.text, [one.issuer for one in accepted]


def found(location: Location, request: Request) -> str | Reason | None:
    try:
        presented = token.find(location, request)
    except Refused as refused:
        return refused.reason
    return presented.text if presented else None
