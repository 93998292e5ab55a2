"""Both transports under many calls and long messages."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import grpc
import pytest

from authz.server import grpcio, service
from authz.server.h2.limits import PREFIX_BYTES
from tests.server.h2.raw import client
from tests.server.test_service import GOOD, ask, outcome
from tests.server.test_service import service as ready_service
from tests.server.transports import free_address, serving
from tests.servers import eventually

MESSAGE_MAX_BYTES = grpcio.MESSAGE_MAX_BYTES
STREAMS = 1_000  # at once on a connection; grpcio's server resets some of more than that
CONNECTIONS = 10


@pytest.mark.parametrize("number", [200, STREAMS])
async def test_many_at_once_are_each_given_their_own_answer(transport, number):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        asked = [ask("/any", GOOD) if number % 2 else ask("/any") for number in range(number)]
        answers = await asyncio.gather(*map(check, asked))
    assert [outcome(answer)[0] for answer in answers] == [401, 200] * (number // 2)


async def test_many_that_wait_at_once_are_all_answered(transport, slow):
    async with serving(transport, slow.line) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        calls = [asyncio.ensure_future(check(ask("/any", GOOD))) for _ in range(STREAMS)]
        await eventually(lambda: slow.line.in_flight == STREAMS)
        slow.answer.set()
        assert {outcome(answer) for answer in await asyncio.gather(*calls)} == {(200, "")}


@pytest.mark.parametrize(
    "size", [0, 1, 16_379, 16_380, 16_384, 65_535, 65_536, 300_000, MESSAGE_MAX_BYTES - 2_000]
)
async def test_a_message_may_have_any_size_up_to_the_limit(transport, size):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        asked = ask("/any", GOOD, x_filler="f" * size)
        assert [outcome(answer) for answer in await asyncio.gather(*map(check, [asked] * 5))] == [
            (200, "")
        ] * 5


async def test_a_message_too_long_is_not_read(transport):
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        for size in (MESSAGE_MAX_BYTES, 2 * MESSAGE_MAX_BYTES):
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await check(ask("/any", "a" * size))
            assert error.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert outcome(await check(ask("/any", GOOD))) == (200, ""), "the connection goes on"


async def test_a_compressed_message_is_refused_or_read(transport):
    """One transport knows gzip, the other knows none and says so; neither takes it for something else."""
    async with serving(transport, ready_service()) as (_, channel):
        check = channel.unary_unary(service.METHOD)
        call = check(ask("/any", GOOD), compression=grpc.Compression.Gzip)
        if await call.code() is grpc.StatusCode.OK:
            assert outcome(await call) == (200, "")
        else:
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


class Waiting:
    """A service that says the same as it hears, once all are there."""

    def __init__(self) -> None:
        self.number, self.gate = 0, asyncio.Event()

    async def rpc(self, raw: bytes, _: object) -> bytes:
        self.number += 1
        await self.gate.wait()
        return raw


@pytest.mark.slow
async def test_ten_thousand_calls_wait_at_once_and_each_is_given_its_own_answer(transport):
    """Over ten connections. grpcio's server resets some that arrive together; it answers none wrongly."""
    line: Any = Waiting()
    messages = [[f"{each}/{number}".encode() for number in range(STREAMS)] for each in range(CONNECTIONS)]
    async with serving(transport, line, where := free_address()), AsyncExitStack() as clients:
        raws = [await clients.enter_async_context(client(where)) for _ in range(CONNECTIONS)]
        asking = [asyncio.create_task(raw.ask(sent)) for raw, sent in zip(raws, messages, strict=True)]
        await eventually(lambda: line.number + sum(raw.resets for raw in raws) == CONNECTIONS * STREAMS)
        line.gate.set()
        answers = await asyncio.gather(*asking)
    sent = [message for each in messages for message in each]
    reset = [message for each in answers for message, answer in each.items() if answer is None]
    assert {
        message: answer for each in answers for message, answer in each.items() if answer is not None
    } == {message: message for message in sent if message not in reset}
    assert line.number == len(sent) - len(reset)
    assert not reset or transport is grpcio.Server


@pytest.mark.parametrize("size", [1, 7, 1_000])
async def test_a_request_may_be_cut_anywhere(transport, size):
    """A header block in CONTINUATIONs, a message in DATA frames, and both in small writes."""
    asked = ask("/any", GOOD)
    async with serving(transport, ready_service(), where := free_address()), client(where) as raw:
        for at in range(0, len(request := raw.split(1, asked, size)), 100):
            raw.send(request[at : at + 100])
            await raw.writer.drain()
        body = (await raw.until(0, 1)).data
    assert outcome(body[PREFIX_BYTES:]) == (200, "")
