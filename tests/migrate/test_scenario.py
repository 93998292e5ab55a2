"""The whole way of docs/migration.md, under traffic: nothing fails, and nothing passes that should not."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from authz.local.ports import LOOPBACK
from tests.kube.server import ApiServer
from tests.migrate.old_world import DRAIN_S, NOTES, ORDERS, SHADOW, OldWorld
from tests.migrate.traffic import Call, flowing
from tests.servers import until

pytestmark = pytest.mark.slow

PER_SECOND = 300
QUICKLY = ("--settle", 1.5, "--drain", DRAIN_S + 3)
SHADOWED_S = 2.0
AFTERWARDS_S = 2.0
LEFT = 300  # requests answered, and none of them by Oathkeeper


def calls(world):
    gateway, issuer = f"http://{LOOPBACK}:{world.ports.gateway}", world.issuer
    reading, writing = world.hydra.token("notes:read"), world.hydra.token("notes:write")
    now = int(time.time())
    claims = {"iss": issuer.url, "sub": "alice", "iat": now, "exp": now + 3600}
    signed, expired = issuer.sign(claims), issuer.sign(claims | {"exp": now - 3600})
    notes, orders, archive = (f"{name}.example.com" for name in ("notes", "orders", "archive"))
    return [
        Call("public, past Oathkeeper", True, f"{gateway}/public", notes),
        Call("archive, for everyone", True, f"{gateway}/2024/may", archive),
        Call("notes, to read", True, f"{gateway}/notes", notes, token=reading),
        Call("notes, to write", True, f"{gateway}/notes", notes, "POST", writing),
        Call("orders, signed", True, f"{gateway}/orders/7", orders, token=signed),
        Call("notes, in the cluster", True, f"{world.inside(NOTES)}/anything", "notes.shop"),
        Call("orders, in the cluster", True, f"{world.inside(ORDERS)}/anything", "orders.shop"),
        Call("notes, no token", False, f"{gateway}/notes", notes),
        Call("notes, another scope", False, f"{gateway}/notes", notes, "POST", reading),
        Call("notes, no token at all", False, f"{gateway}/notes", notes, token="nonsense"),
        Call("notes, a path that nobody has", False, f"{gateway}/others", notes, token=reading),
        Call("orders, no token", False, f"{gateway}/orders", orders),
        Call("orders, expired", False, f"{gateway}/orders", orders, token=expired),
        Call("orders, opaque", False, f"{gateway}/orders", orders, token=reading),
    ]


async def test_the_whole_way_loses_no_request_and_opens_nothing(hydra, issuers, tmp_path):
    server = ApiServer(tmp_path / "kube")
    async with AsyncExitStack() as stack:
        await asyncio.to_thread(stack.enter_context, server)
        world = OldWorld(tmp_path, server, hydra, issuers)
        await stack.enter_async_context(world.alive())
        async with AsyncExitStack() as programs, flowing(calls(world), PER_SECOND) as seen:
            await _travel(world, programs)
    told = f"of {seen.total:,} requests: failed {seen.failed}, wrongly allowed {seen.wrongly_allowed}"
    assert not seen.wrongly_allowed, told
    assert not seen.failed, told
    assert not world.heard, world.heard
    assert {call.name for call, answer in seen.counts if answer == 200} == {
        call.name for call in calls(world) if call.passes
    }


async def _travel(world, stack):
    """As docs/migration.md goes; the second APIRule and the third follow the first."""
    introspected = f"{world.hydra.introspection}={world.hydra.issuer}"
    old = ("old.yaml", "--oathkeeper-config", "oathkeeper.yaml")
    await world.authz("migrate", "convert", *old, "--offline", "--out", "new", "--issuer", introspected)
    config = ("--config", world.configure())
    page = f"{LOOPBACK}:{world.page}"
    shadowing = ("--new", "new", "--oathkeeper", world.oathkeeper.url, "--page", page)
    listening = ("--listen", f"{LOOPBACK}:{world.shadow}")
    for arguments, port in (
        (("serve", *config), world.ports.checks),
        (("controller", *config), world.ports.controller),
        (("migrate", "shadow", *old, *config, *shadowing, *listening), world.page),
    ):
        await stack.enter_async_context(world.program(*arguments, ready=port))

    async def apply(*arguments):
        return await world.authz("migrate", "apply", "new", *config, *QUICKLY, *arguments)

    async def undo(*arguments):
        return await world.authz("migrate", "undo", *config, *QUICKLY, *arguments)

    oathkeeper = ("--oathkeeper", world.oathkeeper.url)
    report = ("--report", f"http://{page}/report.json")
    assert "BLOCKED" not in await world.authz("migrate", "plan", "new", *config)
    await apply("--to", "shadow", "--shadow", f"{SHADOW}:8080")
    await asyncio.sleep(SHADOWED_S)
    await apply("--to", "switch", *report)
    await _left(world)
    await apply("--to", "finish")
    await asyncio.to_thread(until, lambda: not world.oathkeeper.rules)
    await undo("--to", "prepare", *oathkeeper)
    await apply("--to", "switch", "--without-shadow")
    await _left(world)
    await apply("--to", "finish")
    await _left(world)
    await asyncio.to_thread(world.oathkeeper.stop)
    await asyncio.sleep(AFTERWARDS_S)


async def _left(world):
    """The gateway has heard of the switch: here it is told by a busy program, and `--settle` is short.

    By requests and not by time, for where that program is slow those that it hands on wait with it.
    """
    await asyncio.to_thread(until, lambda: _is_left(world))


def _is_left(world):
    asked, answered = world.oathkeeper.asked, world.answered
    until(lambda: world.answered >= answered + LEFT)
    return world.oathkeeper.asked == asked
