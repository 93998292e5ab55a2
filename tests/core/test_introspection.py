"""What an issuer says of a token: read once, judged at `now`."""

import json
from math import inf

import pytest

from authz.core import introspection
from authz.core.claims import Claims
from authz.core.policy import Client, Introspection
from authz.core.reason import Reason, Refused
from tests import idp

NOW = idp.NOW
ACCEPT = Introspection(idp.ISSUER, Client("c"), audiences=frozenset({"shop"}), leeway_s=30)
GOOD = {"active": True, "aud": "shop"}


def test_all_members_but_one_are_optional():
    assert introspection.read(b'{"active": true}') == Claims(frozenset(), 0, inf, {"active": True})


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, Reason.TOKEN_INACTIVE),
        ({"active": False}, Reason.TOKEN_INACTIVE),
        ({"active": "true"}, Reason.TOKEN_INACTIVE),
        ({"active": 1}, Reason.TOKEN_INACTIVE),
        ({"active": True, "token_use": "refresh_token"}, Reason.TOKEN_KIND),
        ({"active": True, "token_type": "refresh_token"}, Reason.TOKEN_KIND),
        ({"active": True, "token_type": "Refresh_Token"}, Reason.TOKEN_KIND),  # RFC 6749 5.1: in any case
        ({"active": True, "typ": "ID"}, Reason.TOKEN_KIND),
    ],
)
def test_only_an_active_access_token_is_one(answer, reason):
    assert introspection.read(json.dumps(answer).encode()) is reason


@pytest.mark.parametrize("member", ["iss", "sub", "token_use", "token_type"])
def test_a_member_that_is_there_has_its_type(member):
    assert introspection.read(b'{"active": true, "%s": [1]}' % member.encode()) is Reason.CLAIMS_MALFORMED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, None),
        ({"iss": idp.ISSUER}, None),
        ({"iss": f"{idp.ISSUER}/"}, Reason.ISSUER_UNKNOWN),
        ({"iss": ""}, Reason.ISSUER_UNKNOWN),
        ({"aud": ["x", "shop"]}, None),
        ({"aud": "x"}, Reason.AUDIENCE_MISMATCH),
        ({"aud": []}, Reason.AUDIENCE_MISMATCH),
        ({"exp": NOW - 29}, None),
        ({"exp": NOW - 30}, Reason.TOKEN_EXPIRED),
        ({"nbf": NOW + 30}, None),
        ({"nbf": NOW + 31}, Reason.TOKEN_NOT_YET_VALID),
        ({"iat": NOW + 31}, Reason.TOKEN_NOT_YET_VALID),
    ],
)
def test_what_was_said_is_judged_on_every_request(changes, expected):
    answer = introspection.read(json.dumps(GOOD | changes).encode())
    assert isinstance(answer, Claims)
    if expected is None:
        introspection.check(answer, ACCEPT, NOW)
        return
    with pytest.raises(Refused) as refused:
        introspection.check(answer, ACCEPT, NOW)
    assert refused.value.reason is expected
