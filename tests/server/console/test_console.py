"""The console: what it shows, to whom, and what it never shows."""

import json
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from authz.config import Config
from authz.core.decision import Allow, Deny
from authz.core.policy import Rule
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server import admin, ruleset
from authz.server.console import app, lookup
from authz.server.console.crew import Crew
from authz.server.console.recent import Recent
from authz.server.console.view import HOSTS_MAX, BadRequest, Own
from authz.server.files import Document, Read
from authz.server.ruleset import Loaded
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests.server.test_files import apirule

SECRET = "s3cr3t"
RULE = Rule("shop/orders/0", frozenset(["GET"]), None)  # type: ignore[arg-type]
MISSING = {"method": "GET", "url": "https://shop.example.com/x", "headers": {}}


def asked(path: str = "/orders", request_id: str = "one", **headers: str) -> Request:
    return Request("GET", "shop.example.com", path, f"token={SECRET}", headers, request_id)


def loaded(*documents: dict[str, Any]) -> Loaded:
    return ruleset.load(Read(tuple(Document("rules.yaml", body) for body in documents)), Config())


@pytest.fixture
async def own():
    client = Client(timeout_s=1.0)
    sources = Sources(client, lambda: 0.0)
    rules = loaded(apirule())
    yield Own(lambda: rules, sources, Recent())
    await sources.close()
    await client.close()


def http(view: Any, *, anyone: bool = False, peer: str = "127.0.0.1", host: str = "localhost:9192") -> Any:
    application = Starlette(routes=app.routes(view, anyone=anyone))
    transport = httpx.ASGITransport(application, client=(peer, 1))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


def test_a_row_tells_what_was_asked_and_why_it_was_refused():
    recent = Recent()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    recent.add(
        asked(traceparent=parent), Deny(Reason.SCOPE_MISSING, RULE, note="why"), RULE.name, 0.0012, 0.0
    )
    (row,) = recent.rows()
    assert row == {
        "at": "1970-01-01T00:00:00.000+00:00",
        "id": "one",
        "method": "GET",
        "host": "shop.example.com",
        "path": "/orders",
        "rule": "shop/orders/0",
        "reason": "SCOPE_MISSING",
        "text": Reason.SCOPE_MISSING.text,
        "status": 403,
        "allowed": False,
        "note": "why",
        "ms": 1.2,
        "trace": "0af7651916cd43dd8448eb211c80319c",
    }


@pytest.mark.parametrize(
    "headers",
    [
        {"b3": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0"},
        {"x-b3-traceid": "0af7651916cd43dd8448eb211c80319c", "x-b3-spanid": "b7ad6b7169203331"},
    ],
)
def test_its_trace_is_told_however_it_is_named(headers):
    recent = Recent()
    recent.add(asked(**headers), Deny(Reason.TOKEN_MISSING), "", 0.0, 0.0)
    assert recent.rows()[0]["trace"] == "0af7651916cd43dd8448eb211c80319c"


def test_no_credential_is_kept():
    recent = Recent()
    for decision in (Deny(Reason.TOKEN_EXPIRED), Allow(Reason.AUTHORIZED, RULE, {"x-auth-email": SECRET})):
        recent.add(asked(authorization=f"Bearer {SECRET}", cookie=SECRET), decision, "", 0.0, 0.0)
    assert SECRET not in repr(vars(recent))
    assert SECRET not in json.dumps(recent.rows())


def test_a_flood_of_refusals_leaves_what_was_allowed():
    recent = Recent(2)
    recent.add(asked("/good"), Allow(Reason.PUBLIC, RULE), "", 0.0, 1.0)
    for at in range(2, 9):
        recent.add(asked(f"/{at}"), Deny(Reason.TOKEN_MISSING), "", 0.0, float(at))
    assert [row["path"] for row in recent.rows()] == ["/8", "/7", "/good"]


def test_of_very_many_allowances_some_are_kept():
    recent = Recent()
    for at in (1.0, 1.001, 1.009, 1.02, 0.5):
        recent.add(asked(f"/{at}"), Allow(Reason.PUBLIC, RULE), "", 0.0, at)
    assert [row["path"] for row in recent.rows()] == ["/1.02", "/1.0", "/0.5"]


def test_what_a_client_has_sent_is_cut():
    recent = Recent()
    recent.add(asked("/" + "x" * 10_000), Deny(Reason.TOKEN_MISSING), "", 0.0, 0.0)
    assert len(recent.rows()[0]["path"]) == 256


def test_one_request_is_found_by_its_id():
    recent = Recent()
    for name in ("one", "two", "one"):
        recent.add(asked(request_id=name), Deny(Reason.TOKEN_MISSING), "", 0.0, 0.0)
    assert [row["id"] for row in recent.rows("one")] == ["one", "one"]


async def test_who_looks_again_is_told_what_is_new(own):
    for at in (1.0, 2.0, 2.0005):
        own._recent.add(asked(f"/{at}"), Deny(Reason.TOKEN_MISSING), "", 0.0, at)
    async with http(own) as client:
        latest = (await client.get("/decisions")).json()[0]["at"]
        found = (await client.get("/decisions", params={"after": latest})).json()
    assert [row["path"] for row in found] == ["/2.0005", "/2.0"]


@pytest.mark.parametrize("after", ["soon", "1"])
async def test_a_time_that_can_not_be_read_is_told_so(own, after):
    async with http(own) as client:
        answer = await client.get("/decisions", params={"after": after})
    assert (answer.status_code, "after" in answer.json().get("error", "")) == (400, True)


async def test_the_routes_stand_in_their_order(own):
    async with http(own) as client:
        found = (await client.get("/rules")).json()
    (host,) = found["hosts"]
    assert found["count"] == 1
    assert found["problems"] == []
    assert [rule["path"] for rule in host["rules"]] == ["/{**}"]
    assert {rule["access"] for rule in host["rules"]} == {"public"}


async def test_routes_are_found_by_host_or_rule(own):
    async with http(own) as client:
        counts = [
            (await client.get("/rules", params={"q": wanted})).json()["count"]
            for wanted in ("SHOP.EXAMPLE", "apps/", "nothing")
        ]
    assert counts == [1, 1, 0]


async def test_of_very_many_hosts_some_are_shown(own):
    rules = loaded(*(apirule(f"n{number}", f"h{number}.example.com") for number in range(HOSTS_MAX + 1)))
    found = await Own(lambda: rules, own._sources, Recent()).rules("")
    assert (found["count"], len(found["hosts"])) == (HOSTS_MAX + 1, HOSTS_MAX)


async def test_a_question_is_decided_as_a_request_would_be(own):
    async with http(own) as client:
        good = (await client.post("/explain", json=MISSING)).json()
        bad = (await client.post("/explain", json=MISSING | {"url": "https://other.example.com/"})).json()
    assert (good["allowed"], good["reason"]) == (True, "PUBLIC")
    assert good["rules"][-1]["why"] == "<- decides"
    assert (bad["allowed"], bad["reason"], bad["rules"]) == (False, "HOST_UNKNOWN", [])


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"{", "application/json", "no JSON"),
        (b"[" * 100_000, "application/json", "larger than 64 kB"),
        (b"[" * 60_000, "application/json", "no JSON"),
        (b"[]", "application/json", "An object is expected"),
        (b"{}", "text/plain", "application/json is expected"),
        (b"{}", "application/json", "method and url are texts"),
        (json.dumps(MISSING | {"url": "/orders"}).encode(), "application/json", "scheme and host"),
        (json.dumps(MISSING | {"url": "http://[x"}).encode(), "application/json", "url: "),
    ],
)
async def test_a_question_that_can_not_be_read_is_told_so(own, body, kind, message):
    async with http(own) as client:
        answer = await client.post("/explain", content=body, headers={"content-type": kind})
    assert answer.status_code == 400
    assert message in answer.json()["error"]


async def test_without_rules_nothing_is_decided(own):
    view = Own(lambda: None, own._sources, Recent())
    assert (await view.rules(""))["problems"] == ["No rules are loaded yet."]
    with pytest.raises(BadRequest):
        await view.explain(MISSING)


PLACES = ["/", "/console.js", "/console.css", "/decisions", "/rules", "/sources"]


@pytest.mark.parametrize("path", PLACES)
@pytest.mark.parametrize(
    ("caller", "status"),
    [
        (("127.0.0.1", "localhost:9192", False), 200),
        (("::1", "[::1]:9192", False), 200),
        (("127.0.0.1", "127.0.0.1", False), 200),
        (("10.0.0.9", "localhost:9192", False), 403),
        (("127.0.0.1", "evil.example.com:9192", False), 403),
        (("127.0.0.1", "localhost.evil.example.com", False), 403),
        (("10.0.0.9", "authz.example.com", True), 200),
    ],
)
async def test_it_is_for_callers_on_its_own_machine(own, path, caller, status):
    peer, host, anyone = caller
    async with http(own, anyone=anyone, peer=peer, host=host) as client:
        answer = await client.get(path)
    assert answer.status_code == status
    if status == 200:
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("peer", "header"),
    [
        ("127.0.0.6", "accept"),  # a sidecar, that of whoever it comes from
        ("127.0.0.1", "x-forwarded-for"),
        ("127.0.0.1", "x-forwarded-proto"),
        ("127.0.0.1", "x-request-id"),
        ("::1", "forwarded"),
        ("::1", "via"),
    ],
)
async def test_what_a_proxy_hands_on_comes_from_elsewhere(own, peer, header):
    async with http(own, peer=peer) as client:
        assert (await client.get("/decisions", headers={header: "10.1.2.3"})).status_code == 403


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('{"reason": "TOKEN_MISSING", "instance": "a-1"}', "a-1"),
        ("<p><small>403 SESSION_FORBIDDEN &middot; request a-1</small></p>", "a-1"),
    ],
)
def test_an_answer_tells_its_request(answer, expected):
    assert lookup.request_id(answer) == expected


@pytest.mark.parametrize("answer", ["", "no", "[]", "{}", '{"instance": 1}', '{"instance": ""}'])
def test_an_answer_of_somebody_else_does_not(answer):
    with pytest.raises(lookup.NotFound, match="--request"):
        lookup.request_id(answer)


def test_nobody_at_the_admin_port_is_told_with_what_to_do():
    with pytest.raises(lookup.NotFound, match="port-forward"):
        lookup.find("http://127.0.0.1:1", "one")


def test_what_a_client_has_sent_moves_nothing_in_a_terminal():
    recent = Recent()
    recent.add(asked("/\x1b[2J\u009b1m\n  200 AUTHORIZED"), Deny(Reason.TOKEN_MISSING), "", 0.0, 0.0)
    first, second, *_ = lookup.render(recent.rows()[0]).splitlines()
    assert first == r"GET shop.example.com/\x1b[2J\x9b1m\n  200 AUTHORIZED"
    assert second.startswith("  401 TOKEN_MISSING")


@pytest.fixture
async def crew(own, tmp_path):
    """Two workers, and one that is not there."""
    sockets = [tmp_path / f"{name}.sock" for name in ("gone", "a", "b")]
    views = [Own(own._loaded, own._sources, Recent()) for _ in sockets[1:]]
    for at, (view, path) in enumerate(zip(views, ("/from-a", "/from-b"), strict=True)):
        view._recent.add(asked(path), Deny(Reason.TOKEN_MISSING), "", 0.0, float(at))
    servers = [
        admin.Server(Starlette(routes=app.routes(view, anyone=False)), f"unix:{socket}")
        for view, socket in zip(views, sockets[1:], strict=True)
    ]
    for server in servers:
        await server.start()
    yield Crew(sockets)
    for server in servers:
        await server.stop()


async def test_workers_answer_together(crew):
    assert [row["path"] for row in await crew.decisions("one", "")] == ["/from-b", "/from-a"]
    assert [row["path"] for row in await crew.decisions("", "1970-01-01T00:00:01.000Z")] == ["/from-b"]
    assert (await crew.rules(""))["count"] == 1
    assert await crew.sources() == []
    assert (await crew.explain(MISSING))["reason"] == "PUBLIC"
    with pytest.raises(BadRequest, match="scheme and host"):
        await crew.explain(MISSING | {"url": "/x"})


async def test_where_no_worker_answers_that_is_said(tmp_path):
    nobody = Crew([tmp_path / "gone.sock"])
    assert await nobody.decisions("", "") == []
    assert (await nobody.rules(""))["problems"] == ["No worker answers yet."]
    assert await nobody.sources() == []
    with pytest.raises(BadRequest, match="No worker answers"):
        await nobody.explain(MISSING)
