"""The keys of one issuer, and what its failures and other people's tokens do to them."""

import asyncio
import json

import pytest

from authz.core.reason import Reason, Refused, Unavailable
from authz.sources.jwks import UNKNOWN_MAX, UNKNOWN_S, Jwks
from tests import idp
from tests.sources.fakes import settle


@pytest.fixture
async def jwks(provider, clock):
    made = Jwks(idp.ISSUER, "", provider.client, clock)
    yield made
    await made.close()


async def outcome(jwks, kid="a", algorithm="RS256"):
    """The kid of the key that is given, or why none is."""
    try:
        return (await jwks.key(kid, algorithm)).kid
    except Refused as refused:
        return refused.reason
    except Unavailable:
        return Reason.SOURCE_UNAVAILABLE


async def test_a_key_is_discovered_fetched_and_then_at_hand(jwks, provider):
    assert jwks.find("a", "RS256") is None
    assert await outcome(jwks) == "a"
    assert jwks.find("a", "RS256").kid == "a"
    assert provider.calls == ["/.well-known/openid-configuration", "/keys"]


async def test_with_an_address_nothing_is_discovered(provider, clock):
    jwks = Jwks("no url at all", f"{idp.ISSUER}/keys", provider.client, clock)
    assert await outcome(jwks) == "a"
    assert provider.calls == ["/keys"]


async def test_a_thousand_callers_with_cold_keys_share_one_fetch(jwks, provider):
    assert set(await asyncio.gather(*(outcome(jwks) for _ in range(1_000)))) == {"a"}
    assert len(provider.calls) == 2


async def test_a_thousand_callers_with_unknown_keys_share_one_fetch(jwks, provider, clock):
    await jwks.warm()
    clock.advance(10)
    answers = await asyncio.gather(*(outcome(jwks, f"k{number}") for number in range(1_000)))
    assert set(answers) == {Reason.KEY_UNKNOWN}
    assert provider.fetches == 2


async def test_a_flood_of_unknown_keys_costs_one_fetch_a_cool_down_and_little_memory(jwks, provider, clock):
    await jwks.warm()
    for number in range(10_000):
        clock.advance(0.01)
        assert await outcome(jwks, f"k{number}") is Reason.KEY_UNKNOWN
    assert 9 <= provider.fetches - 1 <= 10
    assert len(jwks._unknown) <= UNKNOWN_MAX


async def test_the_memory_of_unknown_keys_is_bounded(jwks, clock):
    await jwks.warm()
    clock.advance(10)
    await asyncio.gather(*(outcome(jwks, f"k{number}") for number in range(UNKNOWN_MAX + 500)))
    assert len(jwks._unknown) == UNKNOWN_MAX


async def test_an_unknown_key_is_remembered_and_costs_no_fetch_for_a_while(jwks, provider, clock):
    await jwks.warm()
    clock.advance(10)
    for _ in range(int(UNKNOWN_S)):
        assert await outcome(jwks, "k") is Reason.KEY_UNKNOWN
        clock.advance(1)
    assert provider.fetches == 2
    assert await outcome(jwks, "k") is Reason.KEY_UNKNOWN
    assert provider.fetches == 3


async def test_a_new_key_works_at_once_when_the_cool_down_has_passed(jwks, provider, clock):
    await jwks.warm()
    provider.publish("a", "b")
    clock.advance(9)
    assert await outcome(jwks, "b") is Reason.KEY_UNKNOWN
    clock.advance(1)
    assert await outcome(jwks, "b") == "b"


async def test_a_new_key_works_in_the_middle_of_a_flood(jwks, provider, clock):
    await jwks.warm()
    provider.publish("a", "b")
    for number in range(100):
        clock.advance(0.2)
        await outcome(jwks, f"k{number}")
    assert jwks.find("b", "RS256").kid == "b"


async def test_a_key_remembered_as_unknown_works_when_any_refresh_brings_it(jwks, provider, clock):
    await jwks.warm()
    clock.advance(10)
    assert await outcome(jwks, "b") is Reason.KEY_UNKNOWN
    provider.publish("a", "b")
    clock.advance(10)
    assert await outcome(jwks, "somebody else's") is Reason.KEY_UNKNOWN
    assert jwks.find("b", "RS256").kid == await outcome(jwks, "b") == "b"


async def test_a_changed_set_empties_the_memory(jwks, provider, clock):
    await jwks.warm()
    clock.advance(10)
    await outcome(jwks, "c")
    provider.publish("a", "b")
    clock.advance(10)
    await outcome(jwks, "b")
    provider.publish("a", "b", "c")
    clock.advance(10)
    assert await outcome(jwks, "c") == "c"


async def test_a_removed_key_is_not_trusted_after_the_next_refresh(jwks, provider, clock):
    provider.publish("a", "b")
    await jwks.warm()
    provider.publish("a")
    clock.advance(540)
    assert jwks.find("b", "RS256").kid == "b"
    await settle()
    assert jwks.find("b", "RS256") is None
    assert await outcome(jwks, "b") is Reason.KEY_UNKNOWN


@pytest.mark.parametrize(
    ("status", "content"),
    [
        pytest.param(500, {"text": "no"}, id="500"),
        pytest.param(404, {"json": idp.public_keys()}, id="404 with keys"),
        pytest.param(204, {}, id="204"),
        pytest.param(200, {"html": "<p>Sign in"}, id="HTML"),
        pytest.param(200, {"content": b"[" * 100_000}, id="deep"),
        pytest.param(200, {"content": b"x" * 10_000_000}, id="10 MB"),
        pytest.param(200, {"json": {"keys": []}}, id="no keys"),
        pytest.param(200, {"content": b'{"keys": [], "keys": []}'}, id="keys twice"),
        pytest.param(200, {"json": {"keys": [{"kty": "oct", "k": "AA", "kid": "a"}]}}, id="symmetric"),
        pytest.param(302, {"headers": {"location": "https://other.example.com/keys"}}, id="elsewhere"),
        pytest.param(302, {"headers": {"location": "http://idp.example.com/keys"}}, id="downgrade"),
    ],
)
async def test_the_old_keys_stay_whatever_the_provider_says(jwks, provider, clock, status, content):
    await jwks.warm()
    provider.say(status, **content)
    clock.advance(600)
    assert await outcome(jwks) == "a"
    assert jwks.set.error
    clock.advance(10)
    assert await outcome(jwks, "b") is Reason.SOURCE_UNAVAILABLE


async def test_two_keys_of_one_name_keep_the_old_ones(jwks, provider, clock):
    await jwks.warm()
    provider.publish("a", "b")
    document = json.loads(provider.answer().content.replace(b'"b"', b'"a"'))
    provider.say(200, json=document)
    clock.advance(600)
    assert await outcome(jwks) == "a"
    assert "share a kid" in jwks.set.error


async def test_old_keys_serve_for_a_day_and_no_longer_and_the_provider_may_come_back(jwks, provider, clock):
    await jwks.warm()
    provider.say(503)
    for _ in range(86_500 // 500):
        clock.advance(500)
        assert await outcome(jwks) == "a"
        await settle()
    clock.advance(500)
    assert await outcome(jwks) is Reason.SOURCE_UNAVAILABLE
    provider.publish("b")
    clock.advance(10)
    assert (await outcome(jwks, "b"), await outcome(jwks)) == ("b", Reason.KEY_UNKNOWN)


async def test_while_the_provider_fails_nobody_says_that_a_key_is_unknown(jwks, provider, clock):
    await jwks.warm()
    provider.say(500)
    clock.advance(10)
    assert [await outcome(jwks, "b") for _ in range(3)] == [Reason.SOURCE_UNAVAILABLE] * 3
    assert provider.fetches == 2


@pytest.mark.parametrize(
    ("kid", "algorithm"),
    [("", "ES256"), ("a", "ES256"), ("a", "none"), ("../../a", "RS256"), ("a" * 99, "x")],
)
async def test_no_key_fits(jwks, kid, algorithm):
    assert await outcome(jwks, kid, algorithm) is Reason.KEY_UNKNOWN


async def test_a_closed_source_serves_what_it_holds(jwks, provider, clock):
    await jwks.warm()
    jwks.cancel()
    clock.advance(100)
    assert (await outcome(jwks), await outcome(jwks, "b")) == ("a", Reason.KEY_UNKNOWN)
    assert provider.fetches == 1
