"""The whole line with tokens, opaque tokens and sessions on one host, bytes to bytes."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from envoy_data_plane.envoy.service.auth.v3 import (
    AttributeContext,
    AttributeContextHttpRequest,
    AttributeContextRequest,
    CheckRequest,
    CheckResponse,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.core import path
from authz.core.cors import Cors
from authz.core.policy import (
    Authorizer,
    Check,
    Client,
    Host,
    Introspection,
    Policy,
    Requirement,
    Rule,
    Session,
)
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources import Sources
from authz.sources.http import Client as Http
from tests import idp
from tests.far_end import FarEnd
from tests.sources.fakes import Person, SignInProxy, TokenIssuer, settle

HOST, APP = "shop.example.com", "https://app.example.com"
OPAQUE, SESSION, STRANGER = "ory_at_1", "__Host-s=alice", "__Host-s=eve"
PROXY = Session("http://oauth2-proxy.auth:4180", "__Host-s", allowed_groups=frozenset({"staff"}))
NAVIGATION = {"sec-fetch-mode": "navigate", "accept": "text/html"}
HEADERS = {"x-auth-subject": "sub", "x-auth-groups": "groups"}
READ = (Requirement(frozenset({"read"})),)
ALL = frozenset({"GET", "POST"})


class World:
    """The service and what it asks."""

    def __init__(self, secret) -> None:
        self.issuer, self.proxy = TokenIssuer(), SignInProxy()
        self.issuer.know(OPAQUE, scope="read", aud="shop", exp=idp.NOW + 100)
        self.proxy.sessions |= {SESSION: Person(), STRANGER: Person("eve", "eve@x", ("guests",))}
        keys = idp.transport()

        async def answer(request: httpx.Request) -> httpx.Response:
            if request.url.host == "oauth2-proxy.auth":
                return await self.proxy._handle(request)
            if request.url.path == "/ask":
                return await self.issuer._handle(request)
            return keys.handler(request)  # type: ignore[return-value]  # a plain function there

        self.lines: list[dict[str, Any]] = []
        self.now = 0.0
        asked = Introspection(
            idp.ISSUER, Client("authz", secret_file=secret), f"{idp.ISSUER}/ask", frozenset({"shop"})
        )
        client = Http(transport=FarEnd(answer))
        self.sources = Sources(client, lambda: self.now, wait_s=60.0)  # a busy machine is no failure
        self.telemetry = Telemetry()
        self.telemetry.watch(self.sources)
        self.service = Service(self.sources, self.telemetry, lambda: idp.NOW)
        everyone = Authorizer("all", (idp.ACCEPT, asked, PROXY), HEADERS)
        perhaps = Authorizer("perhaps", (idp.ACCEPT,), HEADERS, anonymous="guest")
        cors = Cors(exact=frozenset({APP}), credentials=True)

        def rule(name, pattern, *checks):
            return Rule(name, ALL, path.parse(pattern), checks, cors, ("__Host-s",))

        rules = (
            rule("open", "/open"),
            rule("read", "/read", Check(everyone, READ)),
            rule("perhaps", "/perhaps", Check(perhaps)),
            rule("any", "/{**}", Check(everyone)),
        )
        self.service.policy = Policy({HOST: Host(HOST, rules)}, frozenset(HEADERS))

    async def ask(self, target="/any", method="GET", **headers: str):
        return Answer(CheckResponse.parse(await self.service.rpc(check(target, method, **headers))))


def check(target="/any", method="GET", **headers: str) -> bytes:
    """As Envoy sends it."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    http = AttributeContextHttpRequest(method=method, host=HOST, path=target, headers=sent)
    return bytes(CheckRequest(AttributeContext(request=AttributeContextRequest(http=http))))


class Answer:
    """What Envoy makes of it."""

    def __init__(self, response: CheckResponse) -> None:
        ok, denied = response.ok_response, response.denied_response
        self.passes = ok is not None
        self.status = int(denied.status.code) if denied and denied.status else 200
        self.body = denied.body if denied else ""
        options = ok.headers if ok else denied.headers if denied else []
        self.headers = {option.header.key: option.header.value for option in options if option.header}
        self.removed = ok.headers_to_remove if ok else []
        added = ok.response_headers_to_add if ok else options
        pairs = [(option.header.key, option.header.value) for option in added if option.header]
        self.cookies = [value for name, value in pairs if name == "set-cookie"]

    @property
    def reason(self) -> str:
        return json.loads(self.body)["reason"] if self.body.startswith("{") else ""


@pytest.fixture
async def world(tmp_path):
    (tmp_path / "secret").write_text("s3cret")
    made = World(tmp_path / "secret")
    yield made
    await made.sources.close()


GOOD = f"Bearer {idp.sign(idp.CLAIMS)}"


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        ({"authorization": GOOD}, "alice"),
        ({"authorization": f"Bearer {OPAQUE}"}, "alice"),
        ({"cookie": SESSION}, "alice"),
        ({"authorization": "Basic YTpi", "cookie": SESSION}, "alice"),
        ({"authorization": GOOD, "cookie": "__Host-s=garbage"}, "alice"),
    ],
)
async def test_one_host_takes_tokens_opaque_tokens_and_sessions(world, headers, subject):
    answer = await world.ask(**headers)
    assert answer.passes
    assert answer.headers["x-auth-subject"] == subject


@pytest.mark.parametrize(
    ("headers", "subject"),
    [
        ({}, "guest"),
        ({"x-auth-subject": "admin"}, "guest"),
        ({"authorization": GOOD}, "alice"),
        ({"authorization": f"{GOOD}x"}, None),
        ({"authorization": "Basic YTpi"}, None),
    ],
)
async def test_who_shows_nothing_may_be_nobody(world, headers, subject):
    answer = await world.ask("/perhaps", **headers)
    assert answer.passes is (subject is not None)
    assert answer.headers.get("x-auth-subject") == subject


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/any", {}, (401, "SESSION_MISSING")),
        ("/any", {"authorization": "Bearer unknown"}, (401, "TOKEN_INACTIVE")),
        ("/any", {"authorization": "Bearer unknown", "cookie": SESSION}, (401, "TOKEN_INACTIVE")),
        ("/any", {"authorization": f"{GOOD},{GOOD}"}, (400, "CREDENTIAL_AMBIGUOUS")),
        ("/any", {"authorization": f"Bearer {OPAQUE},x"}, (400, "CREDENTIAL_AMBIGUOUS")),
        ("/any", {"cookie": f"{SESSION}; {SESSION}"}, (400, "CREDENTIAL_AMBIGUOUS")),
        ("/any", {"cookie": "__Host-s=gone"}, (401, "SESSION_ENDED")),
        ("/any", {"cookie": STRANGER}, (403, "SESSION_FORBIDDEN")),
        ("/read", {"cookie": SESSION}, (403, "SCOPE_MISSING")),
        ("/read", {"authorization": f"Bearer {OPAQUE}"}, (200, "")),
    ],
)
async def test_each_refusal_has_its_reason(world, target, headers, expected):
    answer = await world.ask(target, **headers)
    assert (answer.status, answer.reason) == expected
    if answer.status == 401:
        assert answer.headers["www-authenticate"].startswith('Bearer realm="authz"')


@pytest.mark.parametrize("cookie", [{}, {"cookie": "__Host-s=gone"}])
async def test_a_browser_without_a_session_is_sent_to_sign_in_and_comes_back(world, cookie):
    answer = await world.ask("/orders/7?a=b", **NAVIGATION, **cookie)
    assert (answer.status, answer.body) == (302, "")
    assert answer.headers["location"] == "/oauth2/start?rd=%2Forders%2F7%3Fa%3Db"
    assert "www-authenticate" not in answer.headers


async def test_a_signed_in_stranger_gets_a_page_and_no_loop(world):
    answer = await world.ask(**NAVIGATION, cookie=STRANGER)
    assert (answer.status, answer.headers.get("location")) == (403, None)
    assert "/oauth2/sign_out" in answer.body


async def test_a_script_can_read_that_the_session_has_ended(world):
    answer = await world.ask(cookie="__Host-s=gone", sec_fetch_mode="cors", origin=APP)
    assert (answer.status, answer.reason) == (401, "SESSION_ENDED")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"


async def test_the_workload_sees_no_session_also_where_a_token_decided_or_nothing_did(world):
    for target, headers in [("/any", {}), ("/any", {"authorization": GOOD}), ("/open", {})]:
        answer = await world.ask(target, cookie=f"theme=dark; {SESSION}", **headers)
        assert answer.headers["cookie"] == "theme=dark"
    assert "cookie" in (await world.ask(cookie=SESSION)).removed


async def test_headers_of_another_kind_of_caller_are_removed(world):
    answer = await world.ask(authorization=f"Bearer {OPAQUE}", x_auth_groups="admins", x_auth_subject="root")
    assert answer.headers == {"x-auth-subject": "alice"}
    assert "x-auth-groups" in answer.removed


async def test_new_cookies_reach_the_browser_once_also_with_a_refusal(world):
    world.proxy.refreshed |= {SESSION: ["__Host-s=new"], STRANGER: ["__Host-s=for-eve"]}
    assert [(await world.ask(cookie=SESSION)).cookies for _ in range(2)] == [["__Host-s=new"], []]
    assert [(await world.ask(cookie=STRANGER)).cookies for _ in range(2)] == [["__Host-s=for-eve"], []]


async def test_new_cookies_are_not_lost_when_something_else_is_missing(world):
    world.proxy.refreshed[SESSION] = ["__Host-s=new"]
    answer = await world.ask("/read", cookie=SESSION)
    assert (answer.status, answer.cookies) == (403, ["__Host-s=new"])


@pytest.mark.parametrize(
    ("headers", "calls"),
    [({"authorization": f"Bearer {OPAQUE}"}, "issuer"), ({"cookie": SESSION}, "proxy")],
)
async def test_a_thousand_equal_cold_checks_are_one_call(world, headers, calls):
    source = getattr(world, calls)
    source.gate.clear()
    raw = check(**headers)  # once: the oracle takes its time
    checks = [asyncio.create_task(world.service.rpc(raw)) for _ in range(1_000)]
    await settle()
    source.gate.set()
    assert all(CheckResponse.parse(answer).ok_response for answer in await asyncio.gather(*checks))
    assert len(source.requests) == 1


async def test_what_can_not_answer_is_503_and_never_passes(world):
    world.issuer.say(500)
    world.proxy.down = 500
    for headers in ({"authorization": "Bearer other"}, {"cookie": SESSION}):
        answer = await world.ask(**headers)
        assert (answer.status, answer.reason) == (503, "SOURCE_UNAVAILABLE")
    page = await world.ask(**NAVIGATION, cookie=SESSION)
    assert (page.status, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert (await world.ask(authorization=GOOD)).passes


async def test_one_tenants_slow_issuer_stalls_no_other(world):
    world.issuer.gate.clear()
    stalled = [asyncio.create_task(world.ask(authorization=f"Bearer slow-{n}")) for n in range(200)]
    await settle()
    assert (await world.ask(authorization=GOOD)).passes
    assert (await world.ask(cookie=SESSION)).passes
    assert not any(check.done() for check in stalled)
    world.issuer.gate.set()
    await asyncio.gather(*stalled)


async def test_calls_are_counted_by_source_kind_and_outcome_and_no_credential_is_a_label(world):
    await world.ask(authorization=f"Bearer {OPAQUE}")
    await world.ask(cookie=SESSION)
    page = world.telemetry.page().decode()
    name = f"{idp.ISSUER} {idp.ISSUER}/ask as authz"
    assert f'authz_source_calls_total{{kind="introspection",outcome="answered",source="{name}"}} 1.0' in page
    proxy = f'kind="session",source="{PROXY.oauth2_proxy}"'
    assert f"authz_source_shut{{{proxy}}} 0.0" in page
    world.proxy.down = 500
    for number in range(10):
        await world.ask(cookie=f"__Host-s={number}")
    page = world.telemetry.page().decode()
    assert f"authz_source_shut{{{proxy}}} 1.0" in page
    for text in (OPAQUE, "__Host-s", "s3cret", "alice"):
        assert text not in page


PIECES = st.sampled_from(
    "__Host-s|__Host-s_0=|=|;|,| |\t|Bearer |eyJ.e30.|é|\x7f|\x00|text/html|;q=|1e9|*/*|https://|null|navigate"
    f"|application/grpc|{SESSION}|{OPAQUE}|{GOOD}|{APP}".split("|")
)
VALUES = st.lists(PIECES | st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=6)
NAMES = ("authorization", "cookie", "accept", "origin", "content-type", "sec-fetch-mode", "x-forwarded-proto")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.dictionaries(st.sampled_from(NAMES), VALUES.map("".join)),
    target=st.lists(PIECES, max_size=4).map("".join),
    method=st.sampled_from(["GET", "HEAD", "POST", "OPTIONS"]),
)
def test_nothing_that_is_sent_is_more_than_a_refusal(tmp_path, sent, target, method):
    """A bug would be INTERNAL_ERROR; what a caller writes must not look like a source's fault either."""
    (tmp_path / "secret").write_text("s3cret")

    async def asked() -> Answer:
        world = World(tmp_path / "secret")
        answer: Answer = await world.ask(f"/any{target}", method, **sent)
        await world.sources.close()
        return answer

    answer = asyncio.run(asked())
    assert answer.status in (200, 302, 400, 401, 403)
    assert "INTERNAL_ERROR" not in answer.body
    if answer.passes:
        credentials = sent.get("authorization", "") + sent.get("cookie", "")
        assert any(good in credentials for good in (GOOD.removeprefix("Bearer "), OPAQUE, SESSION))
