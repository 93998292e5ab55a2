"""Finding the one token of a request."""

import pytest

from authz.core import token
from authz.core.policy import Authorizer, Client, Introspection, Jwt, Location, Session
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


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        (None, None),
        ("", None),
        ("other=abc", None),
        ("xtoken=abc; token_0=abc; other=token", None),
        ("a=b; token=abc; c=d", "abc"),
        ("token=", ""),
        ("token=abc; token=abc", Reason.CREDENTIAL_AMBIGUOUS),
        ("a=b,token=abc", Reason.CREDENTIAL_AMBIGUOUS),
        ("token=abc,def", Reason.CREDENTIAL_AMBIGUOUS),
        (f"token={LONG}", Reason.TOKEN_TOO_LONG),
    ],
)
def test_a_token_is_read_from_a_cookie_if_told_to(cookie, expected):
    headers = {} if cookie is None else {"cookie": cookie}
    assert found(Location("", "", cookie="token"), Request("GET", "h", "/", headers=headers)) == expected


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


@pytest.mark.parametrize(
    ("accept", "headers", "expected"),
    [
        ((), {}, ("", "nobody")),
        ((Jwt("a"),), {}, ("", "nobody")),
        ((Jwt("a"),), {"authorization": ""}, ("", "nobody")),
        ((Jwt("a"),), {"authorization": "Bearer abc"}, ("abc", ["a"])),
        ((Jwt("a"),), {"authorization": "Basic abc"}, Reason.TOKEN_MISSING),
        ((), {"authorization": "Bearer abc"}, Reason.TOKEN_MISSING),
        ((Session("p"),), {}, ("", "nobody")),
        ((Session("p"),), {"authorization": "Basic abc"}, Reason.SESSION_MISSING),
    ],
)
def test_who_shows_nothing_may_be_nobody(accept, headers, expected):
    authorizer = Authorizer("x", accept, anonymous="nobody")
    assert first(authorizer, Request("GET", "h", "/", headers=headers)) == expected


def test_a_token_is_never_shown():
    secret = token.Token("s3cret")
    carrier = Request("GET", "h", "/", headers={"authorization": "Bearer s3cret"})
    assert "s3cret" not in f"{secret} {secret!r} {[secret]} {carrier}"


def first(authorizer: Authorizer, request: Request) -> tuple[str, list[str] | str] | Reason:
    try:
        presented, accepted = token.first(authorizer, request)
    except Refused as refused:
        return refused.reason
    assert isinstance(accepted, tuple | str)
    return presented.text, accepted if isinstance(accepted, str) else [one.issuer for one in accepted]


OPAQUE, COMPACT = "ory_at_x-Y.z~1/2+3==", "eyJhbGciOiJub25lIn0.e30."
JWT_KIND, ASKED = Jwt("a"), Introspection("b", Client("c"))
SIGNED_IN = Session("http://p", "s")
COOKIE, BEARER_OPAQUE, BEARER_JWT = "s=1", f"Bearer {OPAQUE}", f"Bearer {COMPACT}"


@pytest.mark.parametrize(
    ("accept", "authorization", "cookie", "expected"),
    [
        # The first whose credential is present decides
        ((JWT_KIND, ASKED, SIGNED_IN), BEARER_JWT, COOKIE, (JWT_KIND,)),
        ((JWT_KIND, ASKED, SIGNED_IN), BEARER_OPAQUE, COOKIE, ASKED),
        ((JWT_KIND, ASKED, SIGNED_IN), None, COOKIE, SIGNED_IN),
        ((SIGNED_IN, JWT_KIND, ASKED), BEARER_JWT, COOKIE, SIGNED_IN),
        ((SIGNED_IN, JWT_KIND, ASKED), BEARER_JWT, None, (JWT_KIND,)),
        ((SIGNED_IN, JWT_KIND, ASKED), BEARER_JWT, "other=1", (JWT_KIND,)),
        ((ASKED, JWT_KIND), BEARER_JWT, None, (JWT_KIND,)),
        ((ASKED, JWT_KIND), BEARER_OPAQUE, None, ASKED),
        # A JWT is asked about where none is accepted
        ((ASKED,), BEARER_JWT, None, ASKED),
        ((JWT_KIND, ASKED), "Bearer glpat-a.b.c", None, ASKED),
        ((JWT_KIND, ASKED), "Bearer eyJhbGciOiJub25lIn0.e30", None, ASKED),
        # What is no token is nobody's to judge
        ((JWT_KIND, ASKED), "Bearer a b", None, Reason.TOKEN_MALFORMED),
        ((ASKED,), "Bearer ", None, Reason.TOKEN_MALFORMED),
        ((ASKED,), "Bearer ü", None, Reason.TOKEN_MALFORMED),
        ((ASKED,), "Bearer a&token=b", None, Reason.TOKEN_MALFORMED),
        ((ASKED,), "Bearer =a", None, Reason.TOKEN_MALFORMED),
        # Two of a kind
        ((ASKED,), f"{BEARER_OPAQUE},{BEARER_OPAQUE}", None, Reason.CREDENTIAL_AMBIGUOUS),
        ((SIGNED_IN, JWT_KIND), BEARER_JWT, "s=1; s=2", Reason.CREDENTIAL_AMBIGUOUS),
        ((SIGNED_IN,), None, "s=1,s=2", Reason.CREDENTIAL_AMBIGUOUS),
        # None
        ((JWT_KIND, ASKED), None, COOKIE, Reason.TOKEN_MISSING),
        ((JWT_KIND, ASKED), "Basic YTpi", None, Reason.TOKEN_MISSING),
        ((JWT_KIND, SIGNED_IN), "Basic YTpi", "other=1", Reason.SESSION_MISSING),
    ],
)
def test_the_first_kind_whose_credential_is_present_decides(accept, authorization, cookie, expected):
    sent = {"authorization": authorization, "cookie": cookie}
    headers = {name: value for name, value in sent.items() if value is not None}
    authorizer, request = Authorizer("x", accept), Request("GET", "h", "/", headers=headers)
    if isinstance(expected, Reason):
        with pytest.raises(Refused) as refused:
            token.first(authorizer, request)
        assert refused.value.reason is expected
        assert refused.value.sign_in is (SIGNED_IN if expected is Reason.SESSION_MISSING else None)
        return
    presented, whom = token.first(authorizer, request)
    assert whom == expected
    assert presented.text == (COOKIE if whom is SIGNED_IN else str(authorization).removeprefix("Bearer "))


def found(location: Location, request: Request) -> str | Reason | None:
    try:
        presented = token.find(location, request)
    except Refused as refused:
        return refused.reason
    return presented.text if presented else None


def test_a_token_is_remembered_by_its_digest_and_not_printed():
    found = token.Token("abc")
    assert (
        found.digest.hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )  # FIPS 180-2 B.1
    assert f"{found} {found!r}" == "*** ***"
