"""Names that nobody answers for hold up no other source."""

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from threading import Event

import pytest
import uvloop
from aiohttp import ClientError
from yarl import URL

from authz.sources.network import Network

SILENT = 40  # more than any pool of threads has


async def answer(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.close()


@asynccontextmanager
async def network(look_up):
    made = Network(ssl.create_default_context(), look_up=look_up)
    yield made
    await made.close()


async def asked(asking, url):
    return (await asking.send("GET", URL(url), {}, b"")).status


async def beside_silent_ones(silent, url):
    """What another source answers meanwhile."""

    def here(_host, *rest, **flags):
        return socket.getaddrinfo("127.0.0.1", *rest, **flags)

    waiting = [Network(ssl.create_default_context(), look_up=silent) for _ in range(SILENT)]
    calls = [asyncio.create_task(asked(one, f"http://{n}.test/")) for n, one in enumerate(waiting)]
    async with network(here) as asking:
        status = await asked(asking, url)
    assert not any(call.done() for call in calls)
    for call in calls:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    for one in waiting:
        await one.close()
    return status


@pytest.mark.parametrize("runner", [asyncio.Runner(), asyncio.Runner(loop_factory=uvloop.new_event_loop)])
def test_names_that_nobody_answers_for_hold_up_no_other(runner):
    over = Event()

    def silent(*_, **__):
        over.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "nobody answers")

    async def scene():
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            return await beside_silent_ones(silent, f"http://good.test:{port}/")

    with runner:
        assert runner.run(scene()) == 204
    over.set()  # after the loop has gone: a thread that comes late harms nobody


@pytest.mark.parametrize(
    "error", [socket.gaierror(socket.EAI_NONAME, "no such name"), UnicodeError("no name")]
)
async def test_a_name_that_there_is_not_is_an_error_that_the_client_expects(error):
    def nothing(*_, **__):
        raise error

    async with network(nothing) as asking:
        with pytest.raises((ClientError, ValueError), match="no"):
            await asked(asking, "http://nobody.test/")


async def test_both_families_are_found():
    """The real resolver, of a name that every machine has."""
    async with (
        await asyncio.start_server(answer, "127.0.0.1", 0) as listening,
        network(socket.getaddrinfo) as asking,
    ):
        assert await asked(asking, f"http://localhost:{listening.sockets[0].getsockname()[1]}/") == 204
