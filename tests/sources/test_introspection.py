"""Asking an issuer about tokens: what is sent, what is kept, and what is the issuer's fault."""

import asyncio
import os
from base64 import b64decode
from pathlib import Path

import httpx
import pytest

from authz.core.policy import Client, Introspection
from authz.core.reason import Reason, Refused, Unavailable
from authz.core.token import Token
from authz.sources.breaker import FAILURES_MAX
from authz.sources.http import Answer
from authz.sources.http import Client as Http
from authz.sources.introspection import ANSWER_MAX_BYTES, Introspector
from tests import idp
from tests.far_end import FarEnd
from tests.sources.fakes import TokenIssuer, settle

NOW = 1_700_000_000.0
TOKEN = Token("opaque-1")


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("s3cret\n")
    return file


@pytest.fixture
def accept(secret):
    return Introspection(idp.ISSUER, Client("authz", secret_file=secret))


@pytest.fixture
async def issuer():
    made = TokenIssuer()
    made.know(TOKEN.text, scope="read")
    yield made
    await made.client.close()


@pytest.fixture
async def introspector(accept, issuer, clock):
    made = Introspector(accept, issuer.client, clock, wait_s=60.0)  # a busy machine is no failure
    yield made
    await made.close()


async def outcome(introspector, token=TOKEN, now=NOW):
    try:
        return (await introspector.ask(token, now)).claims.all["sub"]
    except (Refused, Unavailable) as error:
        return error.reason if isinstance(error, Refused) else str(error)


async def test_the_token_travels_in_the_body_alone_with_a_hint_and_the_clients_credentials(
    introspector, issuer
):
    assert await outcome(introspector) == "alice"
    (sent,) = issuer.requests
    assert (sent.method, str(sent.url)) == ("POST", f"{idp.ISSUER}/introspect")
    assert issuer.form == {"token": [TOKEN.text], "token_type_hint": ["access_token"]}
    assert b64decode(sent.headers["authorization"].removeprefix("Basic ")) == b"authz:s3cret"
    assert TOKEN.text not in f"{sent.url} {sent.headers}"


async def test_a_given_endpoint_is_asked_without_discovery(secret, issuer, clock):
    accept = Introspection(idp.ISSUER, Client("authz", secret_file=secret), f"{idp.ISSUER}/other")
    made = Introspector(accept, issuer.client, clock)
    await made.warm()
    await outcome(made)
    assert [request.url.path for request in issuer.requests] == ["/other"]
    await made.close()


async def test_an_answer_serves_for_its_time(introspector, issuer, clock):
    for _ in range(3):
        assert await outcome(introspector) == "alice"
    clock.advance(29.9)
    await outcome(introspector)
    assert issuer.calls == 1
    clock.advance(0.1)
    await outcome(introspector)
    assert issuer.calls == 2


async def test_a_revoked_token_stops_working_within_the_time(introspector, issuer, clock):
    await outcome(introspector)
    del issuer.active[TOKEN.text]
    assert await outcome(introspector) == "alice"
    clock.advance(30)
    assert await outcome(introspector) is Reason.TOKEN_INACTIVE


@pytest.mark.parametrize(("expires_in_s", "kept_s"), [(10, 10), (100, 30), (0, 0), (-30, 0)])
async def test_an_active_token_is_kept_no_longer_than_it_lives(
    introspector, issuer, clock, expires_in_s, kept_s
):
    issuer.know(TOKEN.text, exp=NOW + expires_in_s)
    for after_s in (0, kept_s - 0.1, kept_s):
        issuer.requests.clear()
        clock.now = 1_000.0 + after_s
        await outcome(introspector)
        assert issuer.calls == (0 if 0 < after_s < kept_s else 1), after_s
        if after_s == kept_s:
            return


async def test_a_token_that_is_not_active_is_asked_about_again_after_five_seconds(
    introspector, issuer, clock
):
    unknown = Token("opaque-2")
    for after_s, calls in [(0, 1), (4.9, 1), (0.1, 2)]:
        clock.advance(after_s)
        assert await outcome(introspector, unknown) is Reason.TOKEN_INACTIVE
        assert issuer.calls == calls


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"json": {}}, Reason.TOKEN_INACTIVE),
        ({"json": {"active": "true", "sub": "a"}}, Reason.TOKEN_INACTIVE),
        ({"json": {"active": 1, "sub": "a"}}, Reason.TOKEN_INACTIVE),
        ({"json": {"active": None}}, Reason.TOKEN_INACTIVE),
        ({"json": {"active": True, "sub": 7}}, Reason.CLAIMS_MALFORMED),
        ({"json": {"active": True, "exp": "soon"}}, Reason.CLAIMS_MALFORMED),
        ({"json": {"active": True, "aud": [1]}}, Reason.CLAIMS_MALFORMED),
        ({"json": {"active": True, "token_use": "refresh_token"}}, Reason.TOKEN_KIND),
        ({"json": {"active": True, "typ": "Refresh"}}, Reason.TOKEN_KIND),
        ({"json": {"active": True, "token_type": "refresh_token"}}, Reason.TOKEN_KIND),
    ],
)
async def test_only_an_active_access_token_passes(introspector, issuer, content, reason):
    issuer.say(**content)
    assert await outcome(introspector) is reason
    assert await outcome(introspector) is reason
    assert issuer.calls == 1


@pytest.mark.parametrize(
    ("status", "content", "text"),
    [
        (400, {}, "status 400"),
        (401, {"json": {"active": True}}, "status 401"),
        (403, {}, "status 403"),
        (404, {}, "status 404"),
        (302, {"headers": {"location": "/login"}}, "status 302"),
        (204, {}, "status 204"),
        (429, {}, "status 429"),
        (500, {}, "status 500"),
        (200, {"content": b"<!doctype html>s3cret"}, "Expecting value"),
        (200, {"content": b""}, "Expecting value"),
        (200, {"content": b"[true]"}, "not a JSON object"),
        (200, {"content": b'{"active": false, "active": true}'}, "stands twice"),
        (200, {"content": b'{"active": true, "x": "' + b"y" * ANSWER_MAX_BYTES + b'"}'}, "longer than"),
    ],
)
async def test_what_is_no_answer_is_the_issuers_fault_and_is_not_kept(
    introspector, issuer, status, content, text
):
    issuer.say(status, **content)
    said = await outcome(introspector)
    assert isinstance(said, str)
    assert text in said
    assert "s3cret" not in said
    assert TOKEN.text not in said
    issuer.answer = None
    assert await outcome(introspector) == "alice"


async def test_a_thousand_equal_questions_are_one_call(introspector, issuer):
    issuer.gate.clear()
    callers = [asyncio.create_task(outcome(introspector)) for _ in range(1_000)]
    await settle()
    issuer.gate.set()
    assert set(await asyncio.gather(*callers)) == {"alice"}
    assert issuer.calls == 1


async def test_an_issuer_that_fails_is_left_alone_and_what_is_kept_serves_on(introspector, issuer, clock):
    await outcome(introspector)
    issuer.say(500)
    for number in range(50):
        await outcome(introspector, Token(f"random-{number}"))
    assert issuer.calls == 1 + FAILURES_MAX
    assert await outcome(introspector) == "alice"
    issuer.answer = None
    clock.advance(1)
    assert await outcome(introspector, Token("random-0")) is Reason.TOKEN_INACTIVE


async def test_another_client_or_endpoint_knows_nothing_of_it(accept, issuer, clock, secret):
    """An answer to one is none to the other (GHSA-4mq7-pvjg-xp2r)."""
    other = Introspection(idp.ISSUER, Client("other", secret_file=secret))
    assert accept.source != other.source
    for asked in (accept, other):
        made = Introspector(asked, issuer.client, clock)
        await outcome(made)
        await made.close()
    assert issuer.calls == 2


async def test_closed_it_asks_no_more(introspector):
    introspector.cancel()
    assert await outcome(introspector) == "it is asked no more"


@pytest.mark.parametrize("file", ["gone", "binary"])
async def test_a_secret_that_can_not_be_read_is_no_refusal(issuer, clock, tmp_path, file):
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    made = Introspector(
        Introspection(idp.ISSUER, Client("authz", secret_file=tmp_path / file)), issuer.client, clock
    )
    assert str(await outcome(made)).startswith("the credentials of client authz can not be used: ")
    assert issuer.calls == 0
    await made.close()


async def test_a_rotated_secret_is_used_at_once(introspector, issuer, clock, secret):
    await outcome(introspector)
    secret.write_text("rotated")
    clock.advance(30)
    await outcome(introspector)
    assert b64decode(issuer.requests[-1].headers["authorization"][6:]) == b"authz:rotated"


async def test_a_certificate_that_can_not_be_read_is_no_refusal(issuer, clock):
    client = Client("authz", "tls_client_auth", None, Path("/gone/key"), Path("/gone/cert"))
    made = Introspector(Introspection(idp.ISSUER, client), issuer.client, clock)
    assert "the certificate of client authz can not be used" in str(await outcome(made))
    await made.close()


async def test_an_issuer_that_names_no_endpoint_can_not_be_asked(accept, clock):
    silent = FarEnd(lambda _: httpx.Response(200, json={"issuer": idp.ISSUER}))
    made = Introspector(accept, Http(transport=silent), clock)
    assert await outcome(made) == f"the metadata of {idp.ISSUER}: it names no introspection_endpoint"
    await made.close()


class Showing:
    """A client that can show certificates: one of its own for each, which all list themselves in `made`."""

    timeout_s = 5.0

    def __init__(self, made=None) -> None:
        self.made = [] if made is None else made
        self.made.append(self)
        self.gate = asyncio.Event()
        self.is_closed = False

    def own(self, **_):
        return Showing(self.made)

    async def ask(self, *_):
        await self.gate.wait()
        if self.is_closed:
            raise Unavailable("closed under the call")
        return Answer(200, body=b'{"active": true, "sub": "alice"}')

    async def close(self) -> None:
        self.is_closed = True


async def test_a_new_certificate_ends_no_call_under_way_and_no_connection_outlives_the_next(clock, tmp_path):
    key, cert = tmp_path / "key", tmp_path / "cert"
    cert.write_text("")
    network = Showing()
    accept = Introspection(
        idp.ISSUER, Client("authz", "tls_client_auth", None, key, cert), f"{idp.ISSUER}/ask"
    )
    made = Introspector(accept, network, clock)  # type: ignore[arg-type]  # as much of one as it uses
    calls = []
    for number in range(3):
        key.write_text("")
        os.utime(key, ns=(number, number))
        calls.append(asyncio.create_task(outcome(made, Token(f"opaque-{number}"))))
        await settle()
    _, own, *shown = network.made
    assert [one.is_closed for one in (own, *shown)] == [True, True, False, False]
    for one in shown:
        one.gate.set()
    assert await asyncio.gather(*calls) == ["closed under the call", "alice", "alice"]
    await made.close()
    assert all(one.is_closed for one in shown)
