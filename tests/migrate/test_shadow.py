"""Copies of live requests: read as the client sent them, judged once, bounded, and told without secrets."""

import asyncio
from dataclasses import asdict, replace

import httpx
import pytest

from authz.core.policy import Host, Policy
from authz.migrate.stages.shadow import BODY_MAX_BYTES, CALLERS_MAX, WAITING_MAX, Shadow, receiving, telling
from authz.migrate.verification import verify
from authz.migrate.verification.differences import context
from authz.migrate.verification.mesh import Outcome
from authz.migrate.verification.oathkeeper import Answer, Unreachable
from authz.migrate.verification.requests import BEARER, Sent, shown
from authz.migrate.verification.verify import Tally
from authz.migrate.verification.wallet import Credential

HOST = "shop.example.com"
POLICY = Policy({HOST: Host(HOST, ())})


class Judge:
    """Both worlds agree about everything; it may take long, or find nobody there."""

    def __init__(self, *, waits: bool = False, is_down: bool = False) -> None:
        self.seen: list[Sent] = []
        self.may_end = asyncio.Event()
        self._is_down = is_down
        if not waits:
            self.may_end.set()

    async def judge(self, sent, tally):
        self.seen.append(sent)
        await self.may_end.wait()
        if self._is_down:
            raise Unreachable("nobody")
        tally.same += 1


async def send(shadow, method="GET", url="/", headers=None, content=b""):
    transport = httpx.ASGITransport(receiving(shadow))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}-shadow:8080") as client:
        answer = await client.request(method, url, headers=headers or {}, content=content)
    await asyncio.sleep(0)
    return answer.status_code


async def told(shadow, path):
    transport = httpx.ASGITransport(telling(shadow))
    async with httpx.AsyncClient(transport=transport, base_url="http://page") as client:
        return await client.get(path)


async def test_a_copy_is_read_as_the_client_sent_it():
    judge = Judge()
    headers = {"authorization": "Bearer secret", "x-envoy-attempt-count": "1", "x-forwarded-for": "10.0.0.1"}
    assert await send(Shadow(judge, POLICY), "POST", "/a%2Fb?c=d", headers, b"body") == 204
    (sent,) = judge.seen
    assert (sent.method, sent.host, sent.path, sent.query) == ("POST", f"{HOST}:8080", "/a%2Fb", "c=d")
    names = {name for name, _ in sent.lines}
    assert "x-envoy-attempt-count" not in names
    assert "x-forwarded-for" not in names
    assert ("host", f"{HOST}:8080") in sent.lines
    assert sent.credential.text == "secret"


async def test_what_was_seen_is_counted_by_host_and_no_credential_is_told():
    shadow = Shadow(Judge(), POLICY)
    await send(shadow, headers={"authorization": "Bearer secret"})
    await asyncio.sleep(0.01)
    report = (await told(shadow, "/report.json")).json()
    assert (report["hosts"][HOST]["asked"], report["hosts"][HOST]["unexplained"]) == (1, 0)
    page = (await told(shadow, "/")).text
    assert HOST in page
    assert "secret" not in page


@pytest.mark.parametrize(
    ("header", "principal"),
    [
        ("", ""),
        (
            'By=spiffe://td/ns/a/sa/b;Hash=0;Subject="";URI=spiffe://td/ns/istio/sa/gateway',
            "td/ns/istio/sa/gateway",
        ),
        (
            "Hash=0;URI=spiffe://td/ns/x/sa/client,By=spiffe://td/ns/a/sa/b;URI=spiffe://td/ns/i/sa/g",
            "td/ns/i/sa/g",
        ),
        ("By=spiffe://td/ns/a/sa/b;Hash=0", ""),
    ],
)
async def test_whose_copies_they_are_is_told(header, principal):
    shadow = Shadow(Judge(), POLICY)
    await send(shadow, headers={"x-forwarded-client-cert": header} if header else {})
    report = (await told(shadow, "/report.json")).json()
    assert report["callers"] == {HOST: [principal]}


async def test_of_many_callers_some_are_kept():
    shadow = Shadow(Judge(), POLICY)
    for number in range(100):
        shadow.take(Sent("GET", HOST, "/"), str(number))
    assert len(shadow.callers[HOST]) == CALLERS_MAX


async def test_hosts_below_a_wildcard_share_its_tally():
    wildcard = "*.example.com"
    shadow = Shadow(Judge(), Policy({wildcard: Host(wildcard, ())}))
    for number in range(50):
        shadow.take(Sent("GET", f"{number}.example.com", "/"), "")
    await asyncio.sleep(0.01)
    assert {host: tally.asked for host, tally in shadow.tallies.items()} == {wildcard: 50}


def test_an_example_is_kept_without_its_credentials():
    bearer = shown(Sent("GET", HOST, "/a", "t=hunter2"), Credential("a live token", "hunter2"), BEARER)
    sent = replace(bearer, lines=(*bearer.lines, ("cookie", "s=hunter2")))
    old = Answer(200, headers={"authorization": "hunter2"})
    difference = verify.compare(sent, old, Outcome(200, "PUBLIC"), 0.0)
    assert difference
    tally = Tally()
    tally.add(difference, context(sent, (), (), names_path=True))
    (row,) = tally.rows.values()
    assert "hunter2" not in str(asdict(row.example))
    assert str(row.example.sent) == str(sent)
    assert list(row.example.told) == ["authorization"]


async def test_hosts_that_nobody_has_converted_take_no_memory():
    shadow = Shadow(Judge(), Policy({}))
    await send(shadow)
    assert (shadow.tallies, shadow.dropped) == ({}, 1)


async def test_more_than_can_be_judged_is_dropped_and_counted():
    judge = Judge(waits=True)
    shadow = Shadow(judge, POLICY)
    for _ in range(WAITING_MAX + 5):
        await send(shadow)
    assert shadow.dropped == 5
    judge.may_end.set()
    await asyncio.sleep(0.05)
    assert shadow.tallies[HOST].asked == WAITING_MAX


async def test_what_oathkeeper_did_not_answer_is_dropped():
    shadow = Shadow(Judge(is_down=True), POLICY)
    await send(shadow)
    await asyncio.sleep(0.01)
    assert (shadow.tallies[HOST].asked, shadow.dropped) == (0, 1)


@pytest.mark.parametrize(("size", "status"), [(10, 204), (BODY_MAX_BYTES, 204), (BODY_MAX_BYTES + 1, 413)])
async def test_a_body_is_read_only_so_far(size, status):
    assert await send(Shadow(Judge(), POLICY), "POST", content=b"x" * size) == status
