"""Which sources a process has, and how they are doing."""

from dataclasses import replace
from pathlib import Path

import pytest

from authz.core.policy import Client, Introspection, Jwt
from authz.core.reason import Refused, Unavailable
from authz.core.token import Token
from authz.sources import Sources, Status
from authz.sources.fetched import REFRESH
from tests import idp
from tests.sources.fakes import OTHER

OURS = Jwt(idp.ISSUER, audiences=frozenset({"a"}))
SAME = Jwt(idp.ISSUER, audiences=frozenset({"b"}), leeway_s=0)
DIRECT = Jwt(idp.ISSUER, f"{idp.ISSUER}/keys")
FOREIGN = Jwt(OTHER)
LASTS_S = REFRESH.ttl_s + REFRESH.stale_s


@pytest.fixture
async def sources(provider, clock):
    made = Sources(provider.client, clock)
    yield made
    await made.close()


async def test_what_differs_in_issuer_or_address_is_another_source(sources):
    sources.keep([OURS, SAME, DIRECT, FOREIGN])
    assert sources.jwks(OURS) is sources.jwks(SAME)
    assert len({sources.jwks(accept) for accept in (OURS, SAME, DIRECT, FOREIGN)}) == 3


async def test_who_is_asked_another_way_is_another_source(sources):
    """Or a token of one endpoint would be good where another is asked (GHSA-4mq7-pvjg-xp2r)."""
    one = Introspection(idp.ISSUER, Client("authz"), "https://a.example.com/ask")
    same = replace(one, audiences=frozenset({"a"}), scopes=frozenset({"b"}), leeway_s=0.0)
    others = [
        replace(one, issuer=OTHER),
        replace(one, endpoint="https://b.example.com/ask"),
        replace(one, client=Client("other")),
        replace(one, client=Client("authz", secret_file=Path("/secret"))),
        replace(one, ttl_s=1.0),
        replace(one, negative_ttl_s=1.0),
        replace(one, calls=1),
    ]
    sources.keep([one, same, *others])
    assert sources.introspector(one) is sources.introspector(same)
    assert len({sources.introspector(accept) for accept in (one, same, *others)}) == 1 + len(others)


async def test_a_reload_keeps_what_is_still_named_and_drops_the_rest(sources, provider, clock):
    sources.keep([OURS, DIRECT])
    await sources.warm()
    kept, dropped = sources.jwks(OURS), sources.jwks(DIRECT)
    sources.keep([SAME])
    assert sources.jwks(OURS) is kept
    assert [row.name for row in sources.status()] == [idp.ISSUER]
    clock.advance(550)
    before = provider.fetches
    assert dropped.find("a", "RS256") is not None
    assert provider.fetches == before


async def test_a_source_that_nobody_kept_is_made_when_asked_for(sources):
    assert await sources.jwks(OURS).key("a", "RS256") is await sources.jwks(OURS).key("a", "RS256")


async def test_warming_asks_all_and_tells_who_failed(sources):
    sources.keep([OURS, DIRECT, FOREIGN])
    assert await sources.warm() == [(OTHER, f"the metadata of {OTHER}: it speaks of another issuer")]


async def test_warming_nothing_is_no_fault(sources):
    assert await sources.warm() == []


async def test_the_status_has_a_row_for_each_and_asks_nobody(sources, provider, clock):
    sources.keep([DIRECT, FOREIGN])
    assert {(row.age_s, row.error) for row in sources.status()} == {(-1, "not asked yet")}
    assert provider.calls == []
    await sources.warm()
    clock.advance(7)
    assert sources.status() == [
        Status(
            f"{idp.ISSUER} {idp.ISSUER}/keys", 7, "", left_s=LASTS_S - 7, calls={"answered": 1, "failed": 0}
        ),
        Status(
            OTHER,
            -1,
            f"the metadata of {OTHER}: it speaks of another issuer",
            left_s=0,
            calls={"answered": 0, "failed": 1},
        ),
    ]


async def test_an_issuer_that_does_not_say_where_to_ask_is_seen_to_fail(sources):
    accept = Introspection(OTHER, Client("authz", "tls_client_auth"))
    with pytest.raises(Unavailable):
        await sources.introspector(accept).warm()
    asked, _ = sources.status()
    assert (asked.kind, asked.calls, asked.shut) == ("discovery", {"answered": 0, "failed": 1}, None)


async def test_who_is_asked_in_two_ways_has_one_row_of_all_that_was_asked(sources):
    """Prometheus takes one value for a name and its labels."""
    asked = [
        Introspection(idp.ISSUER, Client("authz", "tls_client_auth"), f"{idp.ISSUER}/gone", ttl_s=ttl_s)
        for ttl_s in (1.0, 2.0)
    ]
    for accept in asked:
        with pytest.raises(Refused):
            await sources.introspector(accept).ask(Token("opaque"), 0)
    (row,) = sources.status()
    assert row.name == f"{idp.ISSUER} {idp.ISSUER}/gone as authz"
    assert (row.calls["answered"], row.age_s, row.shut) == (2, 0, False)
