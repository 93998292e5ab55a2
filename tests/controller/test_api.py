"""The API server over HTTP, against a server that answers as it is told: what is carried, and who waits."""

import asyncio
import contextlib

import pytest
from aiohttp import web

from authz.controller.api import (
    LINE_MAX_BYTES,
    RETRY_AFTER_MAX_S,
    Api,
    NotLeading,
    Refused,
    Silent,
    Unreachable,
    _split,
)
from authz.controller.kinds import APIRULES, SERVICES
from tests.controller.clusters import PUBLIC, apirule


class Server:
    """Answers the same until told otherwise, when `let` is set."""

    def __init__(self):
        self.answer: tuple[int, bytes, dict[str, str]] = (200, b"{}", {})
        self.let = asyncio.Event()
        self.let.set()
        self.asked = []
        self.last: tuple[dict[str, str], bytes] = ({}, b"")

    async def handle(self, request):
        self.last = dict(request.query), await request.read()
        self.asked.append((request.method, request.path, request.content_type))
        await self.let.wait()
        status, body, headers = self.answer
        return web.Response(status=status, body=body, headers=headers)


class Access:
    """As a kubeconfig's; a program may make the token."""

    tls = None

    def __init__(self, server):
        self.server = server
        self.refusals = 0
        self.signed_in = asyncio.Event()
        self.signed_in.set()

    async def headers(self):
        await self.signed_in.wait()
        return {}

    def refused(self):
        self.refusals += 1


@pytest.fixture
async def server():
    return Server()


@pytest.fixture
async def access(server):
    runner = web.AppRunner(handler := web.Application(), shutdown_timeout=0.0)
    handler.router.add_route("*", "/{path:.*}", server.handle)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield Access(f"http://127.0.0.1:{runner.addresses[0][1]}")
    server.let.set()
    await runner.cleanup()


@contextlib.asynccontextmanager
async def opened(access, **settings):
    api = Api(access, **settings)
    try:
        yield api
    finally:
        await api._session.close()


@pytest.fixture
async def api(access):
    async with opened(access) as api:
        yield api


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, Refused),
        (401, Refused),
        (404, Refused),
        (409, Refused),
        (500, Refused),
        (429, Unreachable),
        (502, Unreachable),
        (503, Unreachable),
        (504, Unreachable),
    ],
)
async def test_a_refusal_is_final_and_trouble_is_not(api, server, status, error):
    server.answer = (status, b'{"message": "why"}', {})
    with pytest.raises(error, match=f"{status}: why"):
        await api.get(SERVICES, "n/a")


@pytest.mark.parametrize(
    ("status", "waits"), [(429, True), (503, True), (502, False), (504, False), (500, False)]
)
async def test_who_is_asked_to_come_later_does(api, server, status, waits):
    server.answer = (status, b"{}", {"Retry-After": "7"})
    with pytest.raises((Refused, Unreachable)):
        await api.get(SERVICES, "n/a")
    left_s = api._resume_at_s - asyncio.get_running_loop().time()
    assert (left_s > 6) == waits


async def test_nobody_is_kept_waiting_for_long_and_not_by_nonsense(api, server):
    loop = asyncio.get_running_loop()
    for given, longest_s in (("soon", 1), ("99999", RETRY_AFTER_MAX_S + 1)):
        api._resume_at_s = 0.0
        server.answer = (429, b"{}", {"Retry-After": given})
        with pytest.raises(Unreachable):
            await api.get(SERVICES, "n/a")
        assert api._resume_at_s - loop.time() < longest_s


async def test_while_the_server_is_in_trouble_nobody_asks(api, server):
    began_s = asyncio.get_running_loop().time()
    api._resume_at_s = began_s + 0.05
    await api.get(SERVICES, "n/a")
    assert asyncio.get_running_loop().time() - began_s >= 0.04
    assert len(server.asked) == 1


async def test_a_server_that_is_not_there_makes_all_wait(server):
    async with opened(Access("http://127.0.0.1:1")) as api:
        with pytest.raises(Unreachable):
            await api.get(SERVICES, "n/a")
        assert api._failures == 1
        assert api.requests == {("get", "services", "error"): 1}
    assert server.asked == []


@pytest.mark.parametrize("body", [b"404 page not found\n", b"<html>"], ids=["not served", "no JSON"])
async def test_what_is_no_answer_of_an_api_server_is_none(api, server, body):
    server.answer = (200, body, {})
    with pytest.raises(Unreachable):
        await api.get(APIRULES, "n/a")


@pytest.mark.parametrize(("status", "failures"), [(200, 0), (404, 0), (429, 2), (504, 1)])
async def test_whoever_answers_is_not_in_trouble_any_more(api, server, status, failures):
    api._failures = 1
    server.answer = (status, b"{}", {})
    with contextlib.suppress(Refused, Unreachable):
        await api.get(SERVICES, "n/a")
    assert api._failures == failures


async def test_each_verb_is_sent_as_it_is_written(api, server):
    made = apirule("a", PUBLIC)
    await api.create(APIRULES, made)
    await api.apply(APIRULES, made)
    await api.merge(APIRULES, "shop/a", {}, "status")
    await api.replace(APIRULES, made)
    await api.delete(APIRULES, "shop/a")
    root = "/apis/gateway.kyma-project.io/v2/namespaces/shop/apirules"
    assert server.asked == [
        ("POST", root, "application/json"),
        ("PATCH", f"{root}/a", "application/apply-patch+yaml"),
        ("PATCH", f"{root}/a/status", "application/merge-patch+json"),
        ("PUT", f"{root}/a", "application/json"),
        ("DELETE", f"{root}/a", "application/json"),
    ]


async def test_fields_of_others_are_taken_over(api, server):
    await api.apply(APIRULES, apirule("a", PUBLIC))
    assert server.last[0] == {"fieldManager": "authz-controller", "force": "true", "timeout": "4s"}


@pytest.mark.parametrize(("version", "asked"), [("", b""), ("7", b'"preconditions":{"resourceVersion":"7"}')])
async def test_only_the_version_that_was_read_is_deleted(api, server, version, asked):
    await api.delete(SERVICES, "n/a", version)
    assert (asked in server.last[1], bool(server.last[1])) == (True, bool(version))


async def test_one_that_is_slow_is_nobody_elses_trouble(api, access):
    async def slow():
        raise TimeoutError

    access.headers = slow
    with pytest.raises(Unreachable):
        await api.get(SERVICES, "n/a")
    assert api._failures == 0


async def test_a_pause_is_not_cut_short_by_the_next_one(api, server):
    later_s = api._resume_at_s = asyncio.get_running_loop().time() + 0.05
    api._trouble("7")
    longer_s = api._resume_at_s
    api._trouble()
    assert later_s < longer_s == api._resume_at_s
    assert server.asked == []


async def test_who_does_not_lead_reads_and_writes_nothing(access, server):
    async with opened(access, may_write=lambda: False) as api:
        await api.get(SERVICES, "n/a")
        await api.list(SERVICES, {})
        for write in (api.apply(APIRULES, apirule("a", PUBLIC)), api.delete(SERVICES, "n/a")):
            with pytest.raises(NotLeading):
                await write
    assert {method for method, _, _ in server.asked} == {"GET"}


async def test_who_leads_no_more_when_its_token_comes_writes_nothing(access, server):
    leads = True
    access.signed_in.clear()
    async with opened(access, may_write=lambda: leads) as api:
        writing = asyncio.create_task(api.delete(SERVICES, "n/a"))
        await asyncio.sleep(0)
        leads = False
        access.signed_in.set()
        with pytest.raises(NotLeading):
            await writing
    assert server.asked == []


async def test_a_token_that_is_not_taken_is_told_to_who_makes_it(api, access, server):
    for status in (403, 401):
        server.answer = (status, b"{}", {})
        with pytest.raises(Refused):
            await api.get(SERVICES, "n/a")
    assert access.refusals == 1


async def test_no_more_are_under_way_than_may_be(access, server):
    server.let.clear()
    async with opened(access, connections=2) as api:
        asking = [asyncio.create_task(api.get(SERVICES, "n/a")) for _ in range(3)]
        while len(server.asked) < 2:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        assert len(server.asked) == 2
        server.let.set()
        await asyncio.gather(*asking)


async def test_it_rests_when_what_nobody_waits_for_has_ended(api, server):
    server.let.clear()
    writing = asyncio.create_task(api.delete(SERVICES, "n/a"))
    while not server.asked:  # noqa: ASYNC110 - nobody says so
        await asyncio.sleep(0.001)
    writing.cancel()
    resting = asyncio.create_task(api.rest())
    await asyncio.sleep(0.01)
    assert not resting.done()
    server.let.set()
    await resting
    await api.rest()


async def test_a_watch_gives_whole_lines(api, server):
    server.answer = (200, b"one\ntwo\nthr", {})
    assert [line async for line in api.lines(SERVICES, {}, 5.0)] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("status", "error"), [(410, Refused), (403, Refused), (500, Unreachable), (429, Unreachable)]
)
async def test_a_watch_that_is_refused_says_why(api, server, status, error):
    server.answer = (status, b'{"message": "why"}', {})
    with pytest.raises(error, match=str(status)):
        await anext(api.lines(SERVICES, {}, 5.0))


async def test_a_watch_that_is_silent_for_too_long_is_given_up(api, server):
    server.let.clear()
    with pytest.raises(Silent, match="watch of services"):
        await anext(api.lines(SERVICES, {}, 0.01))


async def chunks(*given):
    for chunk in given:
        yield chunk


async def test_lines_are_put_together_of_any_chunks():
    assert [line async for line in _split(chunks(b"o", b"ne\ntw", b"o\nthree\nfo", b"ur", b"\n"))] == [
        b"one",
        b"two",
        b"three",
        b"four",
    ]


async def test_a_line_without_end_is_no_line():
    with pytest.raises(ValueError, match="longer than"):
        [line async for line in _split(chunks(b"x" * LINE_MAX_BYTES, b"x"))]
