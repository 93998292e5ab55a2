"""The demonstration: a whole laptop, every case of the table through its gateway, and a verdict.

Nothing is pretended: real Envoys, real tokens, real sockets.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

from authz.local import ports, raw
from authz.local.cases import STAGES, Case, Stage, why
from authz.local.failure import CannotRun
from authz.local.forged import Wallet
from authz.local.laptop import Laptop
from authz.local.raw import Answer
from authz.local.up import SAMPLES

ROW = "  {:<5}{:<40}{:<43}{:>8}  {:>3}  {}"
HEADINGS = ROW.format("", "what is tried", "request", "expected", "got", "reason")


@dataclass(frozen=True, slots=True)
class Outcome:
    """A case and what came of it."""

    stage: Stage
    case: Case
    answer: Answer

    @property
    def faults(self) -> list[str]:
        """Empty if the case holds."""
        return self.case.faults(self.answer)


def run() -> int:
    """Print the table as it happens. 0 only if every case holds."""
    try:
        return asyncio.run(_print())
    except CannotRun as failure:
        print(*failure.messages, sep="\n", file=sys.stderr)
        return 1


async def outcomes() -> AsyncIterator[Outcome]:
    """All stages on one laptop, in order."""
    async with Laptop([SAMPLES], ports.free_offset()) as laptop:
        wallet = Wallet(laptop.issuer)
        for stage in STAGES:
            await stage.act(laptop)
            for case in stage.cases:
                answer = await raw.ask(laptop.ports.gateway, case.method, case.path, case.lines(wallet))
                yield Outcome(stage, case, answer)


async def _print() -> int:
    bad, title, count = 0, "", 0
    print("Starting two Envoys, an authorizer, an identity provider and an echo for each Service", flush=True)
    print(f"\n{HEADINGS}")
    async for outcome in outcomes():
        if outcome.stage.title != title:
            title = outcome.stage.title
            print(f"\n{title}")
        print(row(outcome), flush=True)
        bad += bool(outcome.faults)
        count += 1
    print(f"\n{count - bad} of {count} as expected")
    return 1 if bad else 0


def row(outcome: Outcome) -> str:
    """Request, expected, got, reason."""
    case, answer = outcome.case, outcome.answer
    told = "; ".join(outcome.faults) or why(answer)
    asked = f"{case.method} {case.target}"
    verdict = "BAD" if outcome.faults else "ok"
    return ROW.format(verdict, case.name, asked, case.status, answer.status, told)


if __name__ == "__main__":
    sys.exit(run())
