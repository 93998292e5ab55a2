"""Raw requests: what is written goes out as it is, and what comes back is read properly."""

import asyncio

import pytest

from authz.local import raw

PLAIN = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\nWWW-Authenticate: Bearer\r\n\r\n{}"
CHUNKED = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"a": 1}\r\n0\r\n\r\n'


@pytest.fixture
async def server():
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(CHUNKED if b"chunked" in heard[-1] else PLAIN)
        await reader.read()  # the connection stays open, as a gateway's does, until the client closes it
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        yield listening.sockets[0].getsockname()[1], heard


async def test_a_request_is_written_as_it_is(server):
    port, heard = server
    await raw.ask(port, "GET", "//a/%2e%2e;x", [("host", "h:1"), ("x_y", "1"), ("x_y", "2")])
    assert heard == [b"GET //a/%2e%2e;x HTTP/1.1\r\nhost: h:1\r\nx_y: 1\r\nx_y: 2\r\n\r\n"]


async def test_an_answer_is_read_to_its_end_and_not_further(server):
    port, _ = server
    assert await raw.ask(port, "GET", "/", []) == raw.Answer(
        401, {"content-length": "2", "www-authenticate": "Bearer"}, "{}"
    )


async def test_a_chunked_answer_is_read_too(server):
    port, _ = server
    assert (await raw.ask(port, "GET", "/chunked", [])).document == {"a": 1}


@pytest.mark.parametrize("body", ["", "RBAC: access denied", "[]"])
def test_a_body_that_is_no_object_is_an_empty_one(body):
    assert raw.Answer(200, {}, body).document == {}
