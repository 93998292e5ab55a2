"""Where the time goes inside the authorizer: each step of the line by itself, and all of it, in process.

Costs are in raw RS256 verifications taken right beside them; every token is another, as with many callers.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from authz.check import Verified
from authz.core import authorize, claims, identity, jwt, keys, route, token
from authz.core.identity import Caller
from authz.core.keys import Key
from authz.core.policy import Authorizer, Jwt, Rule
from authz.server import wire
from benchmarks.measure import verification
from tests import idp
from tests.server.test_kinds import GOOD, OPAQUE, World
from tests.server.test_kinds import SESSION as COOKIE
from tests.server.test_service import POLICY, ask, service

WARM, SESSION = "all of it, a JWT, of three kinds", "all of it, a session, of three kinds"

TOKENS = 1_000
ROUNDS = 9

_PATH, _ALGORITHM = "/any", "RS256"


def measure() -> dict[str, float]:
    """Step to its cost, in the order of the line; the median of the rounds."""
    rounds = [dict(_steps()) for _ in range(ROUNDS + 1)][1:]
    return {step: round(statistics.median(one[step] for one in rounds), 3) for step in rounds[0]}


def _steps() -> Iterable[tuple[str, float]]:
    """One round, with nothing remembered from the one before."""
    clock = _Clock()
    raws = [ask(_PATH, idp.sign(idp.claims(jti=str(number)))) for number in range(TOKENS)]
    line = service()
    asyncio.run(line.rpc(ask(_PATH, idp.sign(idp.CLAIMS))))  # the keys are fetched
    yield "all of it, a token never seen", clock.each(lambda raw: _answered(line.rpc, raw), raws)[0]
    yield "all of it, a token seen before", clock.each(lambda raw: _answered(line.rpc, raw), raws)[0]
    yield "all of it, a public path", clock.each(lambda _: _answered(line.rpc, _PUBLIC), raws)[0]
    yield "all of it, no token (a refusal)", clock.each(lambda _: _answered(line.rpc, _BARE), raws)[0]
    yield from _kinds(clock)
    yield from _taken_apart(clock, raws)


def _kinds(clock: "_Clock") -> Iterable[tuple[str, float]]:
    """One host for all three; what they are asked of answers in process, and was asked before."""
    headers = {
        WARM: {"authorization": GOOD},
        "all of it, an opaque token, of three kinds": {"authorization": f"Bearer {OPAQUE}"},
        SESSION: {"cookie": f"theme=dark; {COOKIE}"},
    }
    with TemporaryDirectory() as folder:
        secret = Path(folder) / "secret"
        secret.write_text("s", encoding="utf-8")
        line = World(secret).service
        raws = {name: ask(_PATH, **sent) for name, sent in headers.items()}
        for raw in raws.values():
            asyncio.run(line.rpc(raw))
    for name, raw in raws.items():
        again = [raw] * TOKENS
        cost = clock.each(lambda one: _answered(line.rpc, one), again)[0]
        yield name, cost


def _taken_apart(clock: "_Clock", raws: Sequence[bytes]) -> Iterable[tuple[str, float]]:
    cost, requests = clock.each(wire.decode, raws)
    yield "decode the CheckRequest", cost
    cost, rules = clock.each(lambda request: route.match(POLICY, request), requests)
    yield "find the rule", cost
    rule: Rule = rules[0]
    authorizer: Authorizer = rule.checks[0].authorizer
    cost, found = clock.each(lambda request: token.first(authorizer, request)[0], requests)
    yield "find the token", cost
    yield "its SHA-256", clock.each(lambda one: one.digest, found)[0]
    cost, parsed = clock.each(jwt.parse, found)
    yield "parse it (never seen)", cost
    key = _known(keys.parse(json.dumps(idp.public_keys()).encode()).find(parsed[0].kid, _ALGORITHM))
    yield "verify it (never seen)", clock.each(lambda one: jwt.verify(one, _ALGORITHM, key), found)[0]
    cost, read = clock.each(claims.read, parsed)
    yield "read its claims (never seen)", cost
    yield "keep it (never seen)", clock.each(lambda one: Verified(parsed[0], Caller(one), ""), read)[0]
    names = authorizer.identity_headers
    cost, headers = clock.each(lambda one: identity.headers(one, names), read)
    yield "make the headers (never seen)", cost
    accept = next(one for one in authorizer.accept if isinstance(one, Jwt))
    yield "judge the claims", clock.each(lambda one: claims.check(one, accept, idp.NOW), read)[0]
    pairs = list(zip(requests, headers, strict=True))
    cost, allowed = clock.each(lambda pair: authorize.allow(POLICY, rule, *pair), pairs)
    yield "allow", cost
    yield "encode the CheckResponse", clock.each(lambda one: wire.encode(one, ""), allowed)[0]


_PUBLIC, _BARE = ask("/public/x"), ask(_PATH)


class _Clock:
    """CPU, in verifications."""

    def __init__(self) -> None:
        self._verify = verification()

    def each(self, step: Callable[[Any], Any], items: Sequence[Any]) -> tuple[float, list[Any]]:
        """What one took, and what came out."""
        before_us = self._verify()
        began = time.thread_time()
        out = [step(item) for item in items]
        took_us = (time.thread_time() - began) / len(items) * 1e6
        return 2 * took_us / (before_us + self._verify()), out


def _answered(rpc: Callable[[bytes], Any], raw: bytes) -> bytes:
    """Without a loop: nothing here waits."""
    try:
        rpc(raw).send(None)
    except StopIteration as done:
        answer: bytes = done.value
        return answer
    raise AssertionError("it waits for a source")


def _known(key: Key | None) -> Key:
    assert key is not None  # noqa: S101  # the tests' own
    return key


if __name__ == "__main__":
    for name, cost in measure().items():
        print(f"{name:36}{cost:7.2f}")
