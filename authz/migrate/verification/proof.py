"""A verification from its parts to its table: who is asked, what, and how the outcome is told."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

from authz.core.policy import Accept
from authz.migrate.old.rule import World
from authz.migrate.report.rows import Finding
from authz.migrate.verification import oathkeeper, requests
from authz.migrate.verification.before import Before
from authz.migrate.verification.mesh import Mesh
from authz.migrate.verification.requests import Sent
from authz.migrate.verification.subjects import completed, subjects
from authz.migrate.verification.verify import Row, Tally, Verification
from authz.migrate.verification.wallet import Credential
from authz.server.asked import sources_of
from authz.server.ruleset import Loaded

REQUESTS = 20_000
SEED = 1


@dataclass(frozen=True, slots=True)
class Matter:
    """What is compared: old rules and new, what the report says, credentials, what a log has seen."""

    world: World
    loaded: Loaded
    findings: Sequence[Finding] = ()
    credentials: Sequence[Credential] = ()
    logged: Sequence[Sent] = ()


@dataclass(frozen=True, slots=True)
class Wanted:
    """`oathkeeper` is the address of its API; `seed` chooses the requests."""

    oathkeeper: str
    count: int = REQUESTS
    seed: int = SEED


async def prove(matter: Matter, wanted: Wanted, progress: Callable[[int], None] = lambda _: None) -> Tally:
    """Ask both worlds; `progress` is told how many requests have been. Raises oathkeeper.Unreachable."""
    world, loaded = matter.world, matter.loaded
    rules = completed(world.rules, loaded.policy)
    tried = list(subjects(rules, world.settings, loaded.policy, wanted.seed))
    generated = requests.generate(tried, matter.credentials, wanted.count, wanted.seed)
    async with verification(matter, wanted.oathkeeper) as run:
        logged = requests.replayed(matter.logged, tried, matter.credentials)
        return await run.run(chain(logged, generated), progress)


@asynccontextmanager
async def verification(matter: Matter, address: str) -> AsyncIterator[Verification]:
    """Both worlds, ready to be asked. Raises oathkeeper.Unreachable."""
    rules = completed(matter.world.rules, matter.loaded.policy)
    client, sources = sources_of(matter.loaded.config)
    try:
        sources.keep(_accepts(matter.loaded))
        async with oathkeeper.connect(address) as asked:
            await asked.is_there()
            before, mesh = Before(rules, asked), Mesh(matter.loaded, sources)
            yield Verification(before, mesh, rules, matter.findings)
    finally:
        await sources.close()
        await client.close()


def table(tally: Tally) -> Iterator[str]:
    """For a person at a terminal."""
    yield (
        f"{tally.asked:,} requests: {tally.same:,} answered alike ({tally.allowed:,} allowed by both), "
        f"{sum(row.count for row in tally.rows.values()):,} otherwise, "
        f"{tally.skipped:,} decided by the mesh before and after."
    )
    for why, count in tally.unavailable.items():
        yield f"{count:,} could not be decided: {why}"
    for row in tally.sorted():
        yield ""
        yield f"{row.count:>7,}  {_title(row)}"
        yield from (f"         {line}" for line in _lines(row))


def document(tally: Tally) -> str:
    """The same for a program."""
    rows = [_row(row) for row in tally.sorted()]
    counts = {"asked": tally.asked, "same": tally.same, "allowedByBoth": tally.allowed}
    counts |= {"skipped": tally.skipped, "unavailable": sum(tally.unavailable.values())}
    unexplained = sum(row.count for row in tally.unexplained)
    return json.dumps(counts | {"unexplained": unexplained, "differences": rows}, indent=2) + "\n"


def _accepts(loaded: Loaded) -> list[Accept]:
    """The mesh's issuers too: here we verify for it."""
    return [
        accept
        for host in loaded.policy.hosts.values()
        for rule in host.rules
        for check in rule.checks
        for accept in check.authorizer.accept
    ]


def _title(row: Row) -> str:
    return f"{row.kind}: {row.change.name}" if row.change else f"UNEXPLAINED: {row.kind}"


def _lines(row: Row) -> Iterator[str]:
    one = row.example
    if row.change:
        yield row.change.text
    yield f"for example {one.sent}"
    now = f"{one.new.status} {one.new.why} {one.new.rule}".rstrip()
    yield f"before {one.old.status} from {one.old.who}, now {now}"
    for name in one.told:
        yield f"the header {name} differs"
    if one.sent.about:
        yield f"made for {one.sent.about.origin}, {one.sent.about.at or 'its rule'}"


def _row(row: Row) -> Mapping[str, Any]:
    one = row.example
    about = one.sent.about
    return {
        "difference": row.kind.name.lower(),
        "reason": row.change.name if row.change else None,
        "count": row.count,
        "example": {
            "request": str(one.sent),
            "rule": f"{about.origin} {about.at}".strip() if about else "",
            "before": one.old.status,
            "now": one.new.status,
            "why": one.new.why,
            "newRule": one.new.rule,
            "headers": sorted(one.told),
        },
    }
