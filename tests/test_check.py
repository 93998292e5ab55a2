"""The line itself: what each step of it is there for, seen by what would pass without it."""

import json
from dataclasses import replace

import pytest

from authz.check import Verified, check
from authz.core import path
from authz.core.decision import Allow
from authz.core.memo import Memo
from authz.core.policy import Authorizer, Check, Client, Host, Introspection, Policy, Rule
from authz.core.reason import Reason
from authz.core.request import Request
from authz.sources import Sources
from authz.sources.fetched import REFRESH
from tests import idp
from tests.sources.fakes import Clock, Provider, TokenIssuer

HOST = "shop.example.com"
GOOD = idp.sign(idp.CLAIMS)
OURS, STRANGERS = {"json": idp.public_keys()}, {"json": {"keys": [idp._STRANGER.as_dict(private=False)]}}


class Line:
    """All that one worker has, with a clock of each kind."""

    def __init__(self, client, *authorizers: Authorizer) -> None:
        self.clock, self.now = Clock(), idp.NOW
        self.sources = Sources(client, self.clock)
        self.memo = Memo[Verified](1 << 20)
        rule = Rule("r", frozenset({"GET"}), path.parse("/*"), tuple(map(Check, authorizers)))
        self.policy = Policy({HOST: Host(HOST, (rule,))}, frozenset({"x-a", "x-b"}))

    async def ask(self, token, **headers):
        request = Request("GET", HOST, "/", headers={"authorization": f"Bearer {token}", **headers})
        return await check(request, self.policy, self.sources, self.memo, self.now)


@pytest.fixture
async def provider():
    made = Provider()
    made.say(200, **OURS)
    yield made
    await made.client.close()


@pytest.fixture
async def issuer():
    made = TokenIssuer()
    yield made
    await made.client.close()


async def test_what_is_remembered_of_a_key_is_nothing_under_the_next_of_its_name(provider):
    line = Line(provider.client, idp.AUTHORIZER)
    strangers = idp.stranger(idp.CLAIMS)
    assert (await line.ask(GOOD)).reason is Reason.AUTHORIZED
    assert (await line.ask(strangers)).reason is Reason.SIGNATURE_INVALID
    provider.say(200, **STRANGERS)
    line.clock.advance(REFRESH.ttl_s)
    assert (await line.ask(GOOD)).reason is Reason.SIGNATURE_INVALID
    assert (await line.ask(strangers)).reason is Reason.AUTHORIZED
    await line.sources.close()


@pytest.mark.parametrize(
    ("kid", "expected"), [("rsa", Reason.SIGNATURE_INVALID), ("theirs", Reason.KEY_UNKNOWN)]
)
async def test_no_token_says_by_which_key_it_is_to_be_believed(provider, kid, expected):
    """RFC 7515 4.1.2 to 4.1.8: `jku`, `jwk`, `x5u` and `x5c` are passed over, and asked for nowhere."""
    line = Line(provider.client, idp.AUTHORIZER)
    theirs = {"jwk": idp._STRANGER.as_dict(private=False), "x5c": ["AAAA"]}
    theirs |= dict.fromkeys(("jku", "x5u"), "https://evil.example.com/keys")
    token = idp.glue({"alg": "RS256", "kid": kid} | theirs, json.dumps(idp.CLAIMS), idp._STRANGER)
    assert (await line.ask(token)).reason is expected
    assert set(provider.calls) == {"/.well-known/openid-configuration", "/keys"}
    await line.sources.close()


async def test_a_good_token_costs_one_verification_and_no_wait(provider):
    line = Line(provider.client, idp.AUTHORIZER)
    await line.ask(GOOD)
    assert len(line.memo) == 1
    with pytest.raises(StopIteration):
        line.ask(GOOD).send(None)
    await line.sources.close()


@pytest.mark.parametrize(
    ("said", "later_s", "expected"),
    [
        ({}, 0, Reason.AUTHORIZED),
        ({"aud": ["shop", "other"]}, 0, Reason.AUTHORIZED),
        ({"aud": "other"}, 0, Reason.AUDIENCE_MISMATCH),
        ({"scope": "write"}, 0, Reason.SCOPE_MISSING),
        ({"iss": "https://other.example.com"}, 0, Reason.ISSUER_UNKNOWN),
        ({"exp": idp.NOW + 10}, 69, Reason.AUTHORIZED),
        ({"exp": idp.NOW + 10}, 70, Reason.TOKEN_EXPIRED),
        ({"nbf": idp.NOW + 61}, 0, Reason.TOKEN_NOT_YET_VALID),
    ],
)
async def test_what_an_issuer_said_of_a_token_is_judged_each_time(issuer, said, later_s, expected):
    asked = Introspection(
        idp.ISSUER,
        Client("authz", "tls_client_auth"),
        f"{idp.ISSUER}/ask",
        frozenset({"shop"}),
        frozenset({"read"}),
    )
    line = Line(issuer.client, Authorizer("a", (asked,)))
    issuer.know("opaque", **{"aud": "shop", "scope": "read"} | said)
    await line.ask("opaque")
    line.now += later_s
    assert (await line.ask("opaque")).reason is expected
    assert len(issuer.requests) == 1
    await line.sources.close()


async def test_of_two_checks_both_tell_the_workload_and_the_first_is_believed(provider):
    first = replace(idp.AUTHORIZER, identity_headers={"x-a": "sub"})
    second = replace(idp.AUTHORIZER, identity_headers={"x-a": "email", "x-b": "email"})
    line = Line(provider.client, first, second)
    allow = await line.ask(GOOD, **{"x-a": "forged", "x-b": "forged"})
    assert isinstance(allow, Allow)
    assert allow.headers == {"x-a": "alice", "x-b": "alice@example.com"}
    assert allow.remove == ()
    await line.sources.close()
