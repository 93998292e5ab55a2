"""What one decision costs in process, bytes to bytes, against one raw RS256 verification.

Only the ratios mean something: both are taken in the same run on the same machine.
"""

import asyncio
import json
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests import idp
from tests.server.test_service import ask, service

ROUNDS = 7
CALLS = 2_000
TOKENS = 2_000


def main() -> None:
    """Print a table."""
    unit = _median(_verification())
    print(f"{'':44}{'µs':>8}{'ratio':>8}")
    print(f"{'one raw RS256 verification':44}{unit:8.1f}{1:8.2f}")
    for name, call in _cases().items():
        cost = _median(call)
        print(f"{name:44}{cost:8.1f}{cost / unit:8.2f}")


def _cases() -> dict[str, Callable[[], None]]:
    line = service()
    known = ask("/any", idp.sign(idp.CLAIMS))
    many = [ask("/any", idp.sign(idp.claims(jti=str(number)))) for number in range(TOKENS)]
    return {
        "a public path": _asking(line.rpc, [ask("/public/x")] * CALLS),
        "a token seen before": _asking(line.rpc, [known] * CALLS),
        "distinct tokens": _asking_anew(many),
        "no token (a refusal)": _asking(line.rpc, [ask("/any")] * CALLS),
    }


def _asking(rpc: Callable[[bytes], Coroutine[Any, Any, bytes]], raws: list[bytes]) -> Callable[[], None]:
    async def ask_all() -> None:
        for raw in raws:
            await rpc(raw)

    return lambda: asyncio.run(ask_all())


def _asking_anew(raws: list[bytes]) -> Callable[[], None]:
    """With nothing remembered from the round before."""

    def ask_all() -> None:
        _asking(service().rpc, raws)()

    return ask_all


def _verification() -> Callable[[], None]:
    private = rsa.generate_private_key(65537, 2048)
    message = json.dumps(idp.CLAIMS).encode() * 3
    signature = private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    public = private.public_key()

    def verify() -> None:
        for _ in range(CALLS):
            public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())

    return verify


def _median(call: Callable[[], None]) -> float:
    """µs of CPU per call."""
    call()
    costs = []
    for _ in range(ROUNDS):
        began = time.process_time()
        call()
        costs.append((time.process_time() - began) / CALLS * 1e6)
    return statistics.median(costs)


if __name__ == "__main__":
    main()
