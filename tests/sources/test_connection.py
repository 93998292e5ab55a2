"""A connection is kept for the next question, and nothing that comes unasked is taken for its answer."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from authz.core.reason import Unavailable
from authz.sources.connection import INTERIM_MAX
from authz.sources.http import Client

EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"


def said(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


class Source:
    """Answers with the number of the question, and says `more` after it, `late` or at once."""

    def __init__(self, more: bytes, *, late: bool) -> None:
        self.connections = self.questions = 0
        self._more = more
        self._late = late
        self.hung_up = asyncio.Event()

    async def __call__(self, reader, writer):
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                answer = said(b"%d" % self.questions)
                self.questions += 1
                if not self._late:
                    answer += self._more
                writer.write(answer)
                if self._late and self._more:
                    await asyncio.sleep(0.01)
                    writer.write(self._more)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.hung_up.set()
        finally:
            writer.close()


@asynccontextmanager
async def asking(answer, **settings):
    """A client, and the address of who answers so."""
    client = Client(**settings)
    async with await asyncio.start_server(answer, "127.0.0.1", 0) as listening:
        yield client, f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
        await client.close()


async def test_a_source_that_says_no_more_is_asked_again_on_the_same_connection():
    source = Source(b"", late=False)
    async with asking(source) as (client, url):
        assert [await client.get(url) for _ in range(3)] == [b"0", b"1", b"2"]
    assert source.connections == 1


@pytest.mark.parametrize(
    ("more", "late"),
    [
        (said(b"of another"), False),
        (said(b"of another"), True),
        (said(b"of another") * 1_000, True),
        (EARLY, False),
        (EARLY, True),
        (b"HTTP/1.1 200 OK\r\na: ", True),
    ],
    ids=["at once", "late", "a thousand", "an interim one", "an interim one, late", "the beginning of one"],
)
async def test_what_comes_unasked_is_not_the_answer_to_the_next_question(more, late):
    source = Source(more, late=late)
    async with asking(source) as (client, url):
        for number in range(3):
            answer = await client.ask("POST", url, {}, b"")
            assert answer.body == b"%d" % number
            await asyncio.wait_for(source.hung_up.wait(), 60)
            source.hung_up.clear()
    assert source.connections == 3


@pytest.mark.parametrize(("number", "passes"), [(INTERIM_MAX, True), (INTERIM_MAX + 1, False)])
async def test_so_many_answers_may_come_before_the_answer(number, passes):
    async def early(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(EARLY * number + said(b"{}"))
        writer.close()

    async with asking(early) as (client, url):
        if passes:
            assert await client.get(url) == b"{}"
        else:
            with pytest.raises(Unavailable, match="it says more than it was asked"):
                await client.get(url)


@pytest.mark.parametrize(
    ("head", "endless"),
    [
        (b"", EARLY * 4_000),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"a" * 60_000),
    ],
    ids=["interim answers", "a body in pieces of a byte", "an extension of a piece"],
)
async def test_an_answer_without_end_is_hung_up_on(head, endless):
    """At a bound in bytes, not in time: what is read meanwhile takes our core, and memory."""
    sent = 0

    async def answer(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        try:
            while True:
                writer.write(endless)
                sent += len(endless)
                await writer.drain()
        except ConnectionError:
            writer.close()

    async with asking(answer, timeout_s=60.0) as (client, url):
        with pytest.raises(Unavailable):
            await client.get(url)
    assert sent < 16 << 20  # what the kernel takes in between included
