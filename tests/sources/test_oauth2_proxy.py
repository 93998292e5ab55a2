"""Asking oauth2-proxy about sessions: what it is told, what is kept, and whom a new cookie reaches."""

import asyncio

import pytest

from authz.core.policy import Session
from authz.core.reason import Reason, Unavailable
from authz.core.token import Token
from authz.sources.breaker import FAILURES_MAX
from authz.sources.oauth2_proxy import OAuth2Proxy
from tests.sources.fakes import Person, SignInProxy, settle

ALICE = Token("_oauth2_proxy=a|1|x")
ACCEPT = Session("http://oauth2-proxy.auth:4180")
ADMINS = Session(ACCEPT.oauth2_proxy, allowed_groups=frozenset({"admins", "owners"}))
HOST = "shop.example.com"


@pytest.fixture
async def proxy():
    made = SignInProxy()
    made.sessions[ALICE.text] = Person(groups=("staff", "admins"))
    yield made
    await made.client.close()


@pytest.fixture
async def asking(proxy, clock):
    made = OAuth2Proxy(ACCEPT, proxy.client, clock, wait_s=60.0)  # a busy machine is no failure
    yield made
    await made.close()


async def outcome(asking, cookies=ALICE, host=HOST, accept=ACCEPT):
    try:
        found = (await asking.ask(cookies, host, "https", accept)).found
    except Unavailable as error:
        return str(error)
    return found if isinstance(found, Reason) else found.claims.all["sub"]


async def test_it_is_told_the_cookies_and_what_envoy_saw_and_nothing_else(asking, proxy):
    await asking.ask(ALICE, HOST, "https", ACCEPT)
    (sent,) = proxy.requests
    told = {name: value for name, value in sent.headers.items() if name.startswith(("x-", "cookie"))}
    assert told == {
        "cookie": ALICE.text,
        "x-forwarded-host": HOST,
        "x-forwarded-proto": "https",
        "x-forwarded-uri": "/oauth2/auth",
    }
    assert (sent.method, str(sent.url)) == ("GET", "http://oauth2-proxy.auth:4180/oauth2/auth")


async def test_its_headers_are_the_claims_and_missing_ones_are_missing(asking, proxy):
    proxy.sessions[ALICE.text] = Person("alice", "", ("staff", "admins"))
    seen = await asking.ask(ALICE, HOST, "https", ACCEPT)
    assert not isinstance(seen.found, Reason)
    assert seen.found.claims.all == {"sub": "alice", "groups": ["staff", "admins"]}


async def test_the_rules_groups_and_addresses_are_asked_for(asking, proxy):
    accept = Session(
        ACCEPT.oauth2_proxy,
        prefix="/login",
        allowed_groups=frozenset({"b c", "a"}),
        allowed_emails=frozenset({"x@y"}),
    )
    await outcome(asking, accept=accept)
    assert proxy.requests[0].url.path == "/login/auth"
    assert dict(proxy.requests[0].url.params) == {"allowed_groups": "a,b c", "allowed_emails": "x@y"}


@pytest.mark.parametrize(
    ("cookies", "accept", "expected"),
    [
        (ALICE, ACCEPT, "alice"),
        (ALICE, ADMINS, "alice"),
        (ALICE, Session(ACCEPT.oauth2_proxy, allowed_groups=frozenset({"owners"})), Reason.SESSION_FORBIDDEN),
        (ALICE, Session(ACCEPT.oauth2_proxy, allowed_emails=frozenset({"b@c"})), Reason.SESSION_FORBIDDEN),
        (Token("_oauth2_proxy=b"), ACCEPT, Reason.SESSION_ENDED),
    ],
)
async def test_it_says_who_may_and_who_must_sign_in_again(asking, proxy, cookies, accept, expected):
    for _ in range(3):
        assert await outcome(asking, cookies, accept=accept) == expected
    assert len(proxy.requests) == 1


async def test_an_answer_serves_five_seconds_for_the_same_cookies_host_and_groups(asking, proxy, clock):
    for cookies, host, accept, calls in [
        (ALICE, HOST, ACCEPT, 1),
        (ALICE, HOST, ACCEPT, 1),
        (ALICE, "other.example.com", ACCEPT, 2),
        (ALICE, HOST, ADMINS, 3),
        (Token("_oauth2_proxy=b"), HOST, ACCEPT, 4),
        (ALICE, HOST, ACCEPT, 4),
    ]:
        await outcome(asking, cookies, host, accept)
        assert len(proxy.requests) == calls
    clock.advance(5)
    await outcome(asking)
    assert len(proxy.requests) == 5


async def test_an_answer_serves_nobody_for_longer_than_they_asked_for(asking, proxy, clock):
    patient = Session(ACCEPT.oauth2_proxy, ttl_s=3_600)
    assert await outcome(asking, accept=patient) == "alice"
    proxy.sessions.clear()
    clock.advance(5)
    assert await outcome(asking, accept=patient) == "alice"
    assert await outcome(asking) == Reason.SESSION_ENDED


async def test_a_session_that_has_ended_is_noticed_within_the_time(asking, proxy, clock):
    assert await outcome(asking) == "alice"
    proxy.sessions.clear()
    clock.advance(5)
    assert await outcome(asking) is Reason.SESSION_ENDED


async def test_a_thousand_tabs_are_one_call_and_one_of_them_gets_the_new_cookies(asking, proxy):
    proxy.refreshed[ALICE.text] = ["_oauth2_proxy=new; Path=/", "_oauth2_proxy_1=more; Path=/"]
    proxy.gate.clear()
    callers = [asyncio.create_task(asking.ask(ALICE, HOST, "https", ACCEPT)) for _ in range(1_000)]
    await settle()
    proxy.gate.set()
    taken = [seen.take() for seen in await asyncio.gather(*callers)]
    assert taken[0] == ("_oauth2_proxy=new; Path=/", "_oauth2_proxy_1=more; Path=/")
    assert set(taken[1:]) == {()}
    assert len(proxy.requests) == 1


async def test_cookies_whose_caller_has_gone_reach_the_next(asking, proxy):
    proxy.refreshed[ALICE.text] = ["_oauth2_proxy=new"]
    proxy.gate.clear()
    gone = asyncio.create_task(asking.ask(ALICE, HOST, "https", ACCEPT))
    await settle()
    gone.cancel()
    proxy.gate.set()
    await settle()
    assert (await asking.ask(ALICE, HOST, "https", ACCEPT)).take() == ("_oauth2_proxy=new",)
    assert (await asking.ask(ALICE, HOST, "https", ACCEPT)).take() == ()
    assert len(proxy.requests) == 1


async def test_a_new_cookie_is_never_handed_to_another_browser(asking, proxy):
    proxy.sessions[(bob := Token("_oauth2_proxy=b|1|x")).text] = Person("bob")
    proxy.refreshed[ALICE.text] = ["_oauth2_proxy=new-a"]
    await asking.ask(ALICE, HOST, "https", ACCEPT)
    assert (await asking.ask(bob, HOST, "https", ACCEPT)).take() == ()
    assert (await asking.ask(ALICE, HOST, "https", ACCEPT)).take() == ("_oauth2_proxy=new-a",)


async def test_the_cookie_of_a_session_that_has_ended_is_cleared_too(asking, proxy):
    ended = Token("_oauth2_proxy=old")
    proxy.refreshed[ended.text] = ["_oauth2_proxy=; Max-Age=0"]
    seen = await asking.ask(ended, HOST, "https", ACCEPT)
    assert (seen.found, seen.take()) == (Reason.SESSION_ENDED, ("_oauth2_proxy=; Max-Age=0",))


@pytest.mark.parametrize("status", [200, 302, 404, 500, 502])
async def test_another_answer_is_no_verdict_and_is_not_kept(asking, proxy, status):
    proxy.down = status
    assert f"status {status}" in str(await outcome(asking))
    proxy.down = 0
    assert await outcome(asking) == "alice"


async def test_while_it_is_down_it_is_left_alone(asking, proxy, clock):
    proxy.down = 500
    for _ in range(30):
        await outcome(asking)
    assert len(proxy.requests) == FAILURES_MAX
    proxy.down = 0
    clock.advance(1)
    assert await outcome(asking) == "alice"


async def test_nothing_of_a_session_is_shown(asking, proxy):
    seen = await asking.ask(ALICE, HOST, "https", ACCEPT)
    proxy.refreshed[ALICE.text] = ["s3cret"]
    assert "alice" not in f"{seen}"
    assert "a|1|x" not in f"{seen} {ALICE}"
