"""The laptop's life: it comes up or says why not, follows edits, and leaves nothing behind."""

import asyncio
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from authz.local import ports, raw, token
from authz.local.failure import CannotRun
from authz.local.laptop import Laptop
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import Process
from authz.local.up import SAMPLES
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path):
    """A copy of the samples that may be edited."""
    return Path(shutil.copytree(SAMPLES, tmp_path / "cluster"))


@pytest.fixture
def offset():
    return ports.free_offset()


async def status(laptop, host, path, *headers):
    return (await raw.ask(laptop.ports.gateway, "GET", path, [("host", host), *headers])).status


async def becomes(wanted, ask):
    """Envoy takes a moment to put new rules in force."""
    async with asyncio.timeout(PATIENCE_S):
        while await ask() != wanted:  # noqa: ASYNC110  # there is nothing that would tell us
            await asyncio.sleep(0.1)


async def taken(offset):
    return ports.taken(Ports().moved(offset).wanted(workloads=4))


def edit(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


async def test_edits_are_followed_and_bad_ones_change_nothing(cluster, offset):
    async with Laptop([cluster], offset) as laptop:
        assert await status(laptop, "shop.localhost", "/goods/1") == 404

        edit(cluster / "shop.yaml", "/products/{**}", "/goods/{**}")
        await laptop.reload()
        await becomes(200, lambda: status(laptop, "shop.localhost", "/goods/1"))

        edit(cluster / "shop.yaml", "authorizers: [dev]", "authorizers: [div]")
        with pytest.raises(CannotRun, match="did you mean"):
            await laptop.reload()
        assert await status(laptop, "shop.localhost", "/goods/1") == 200

        edit(cluster / "shop.yaml", "authorizers: [div]", "authorizers: [dev]")
        edit(
            cluster / "cluster.yaml", "[{name: http, port: 3000}]", "[{name: http, port: 3000}, {port: 3001}]"
        )
        edit(
            cluster / "shop.yaml",
            "name: shop, port: 80",
            "name: dashboard, namespace: monitoring, port: 3001",
        )
        await laptop.reload()
        await becomes(200, lambda: status(laptop, "shop.localhost", "/goods/1"))


async def test_a_restriction_follows_a_rotation(offset):
    async with Laptop([SAMPLES], offset) as laptop:
        await laptop.rotate_keys()

        async def ask():
            minted = await asyncio.to_thread(token.mint, scope="orders:read", port_offset=offset)
            return await status(laptop, "shop.localhost", "/orders", ("authorization", f"Bearer {minted}"))

        await becomes(200, ask)


async def test_minted_tokens_say_what_they_were_asked_to_say(offset):
    async with Laptop([SAMPLES], offset) as laptop:
        minted = await asyncio.to_thread(
            token.mint, scope="a b", audience="x", subject="bob", port_offset=offset
        )
        claims = laptop.issuer.read(minted)
        assert (claims["scope"], claims["aud"], claims["sub"]) == ("a b", "x", "bob")
        with pytest.raises(ValueError, match="expired"):
            laptop.issuer.read(await asyncio.to_thread(token.mint, expired=True, port_offset=offset))


def test_without_a_laptop_there_are_no_tokens(offset):
    with pytest.raises(token.Absent, match="authz up"):
        token.mint(port_offset=offset)


async def test_a_taken_port_is_a_problem_and_nothing_is_started(offset):
    port = Ports().moved(offset).gateway_admin
    with socket.create_server((LOOPBACK, port)), pytest.raises(CannotRun, match="gateway's admin port"):
        await Laptop([SAMPLES], offset).__aenter__()
    assert await taken(offset) == []


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGKILL, -signal.SIGKILL)]
)
async def test_nothing_is_left_behind(offset, number, code):
    command = [sys.executable, "-m", "authz", "up", "--port-offset", str(offset)]
    up = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert up.stdout
    while b"curl" not in await up.stdout.readline():
        pass
    up.send_signal(number)
    said, _ = await asyncio.wait_for(up.communicate(), PATIENCE_S)
    assert up.returncode == code, said
    await becomes([], lambda: taken(offset))


async def test_a_program_that_ends_is_named_with_its_last_words():
    program = await Process.start("gateway", [sys.executable, "-c", "print('no such thing')"], lambda _: None)
    with pytest.raises(CannotRun, match=r"the gateway has ended; its last lines:\nno such thing"):
        await program.ready(f"http://{LOOPBACK}:1/")
    await program.stop()


async def test_a_program_that_will_not_end_is_made_to():
    stubborn = (
        "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    heard = asyncio.Event()
    program = await Process.start("gateway", [sys.executable, "-c", stubborn], lambda _: heard.set())
    await heard.wait()
    await program.stop(grace_s=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(program._child.pid, 0)
