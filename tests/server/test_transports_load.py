"""Both transports under many calls and long messages."""

import asyncio

import grpc
import pytest

from authz.server import grpcio, service
from tests.server.test_service import GOOD, ask, outcome
from tests.server.test_service import service as ready_service
from tests.server.transports import serving

MESSAGE_MAX_BYTES = grpcio.MESSAGE_MAX_BYTES
STREAMS = 1_000  # at once; grpcio's server resets some of more than that


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
        await slow.asked.wait()
        await asyncio.sleep(0.2)
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
