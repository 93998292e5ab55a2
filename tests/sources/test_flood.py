"""A flood of tokens that nobody has issued: what it costs the issuer, and what it costs us."""

import asyncio
from collections import Counter

import pytest

from authz.core.policy import Client, Introspection
from authz.core.reason import Reason, Refused
from authz.core.token import Token
from authz.sources.answers import BAD_MAX
from authz.sources.http import Answer
from authz.sources.introspection import Introspector
from tests import idp

pytestmark = pytest.mark.slow  # 100,000 calls

CALLERS = 500  # at once


class Endpoint:
    """Stands for an HTTP client whose far end knows one token, and answers after others had their turn."""

    timeout_s = 5.0

    def __init__(self) -> None:
        self.calls = Counter[bytes]()
        self.at_once = self.most_at_once = 0

    def own(self, **_):
        return self

    async def ask(self, _method, _url, _headers, body, _max_bytes):
        self.calls[body] += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return Answer(
            200, body=b'{"active": true, "sub": "a"}' if b"=good&" in body else b'{"active": false}'
        )

    async def close(self) -> None:
        pass


async def test_100_000_random_tokens_are_at_most_the_configured_calls_at_once_and_a_bounded_memory(
    tmp_path, clock
):
    (tmp_path / "secret").write_text("s")
    accept = Introspection(idp.ISSUER, Client("authz", secret_file=tmp_path / "secret"), f"{idp.ISSUER}/ask")
    endpoint = Endpoint()
    introspector = Introspector(accept, endpoint, clock)  # type: ignore[arg-type]  # as much of one as it uses
    await introspector.ask(Token("good"), 0)

    async def some(first: int) -> None:
        for number in range(first, 100_000, CALLERS):
            with pytest.raises(Refused) as refused:
                await introspector.ask(Token(f"random-{number}"), 0)
            assert refused.value.reason is Reason.TOKEN_INACTIVE

    await asyncio.gather(*(some(first) for first in range(CALLERS)))
    assert (len(endpoint.calls), endpoint.calls.total(), endpoint.most_at_once) == (100_001, 100_001, 32)
    await introspector.ask(Token("good"), 0)
    assert endpoint.calls.total() == 100_001  # the good one was not driven out
    assert len(introspector._answers._bad) <= BAD_MAX
    assert not introspector._answers._calls
    await introspector.close()
