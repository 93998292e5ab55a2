"""Takes APIRules from stage to stage, all of a batch step by step together, and waits after each step.

What has been done when something goes wrong stays and is right: the same command goes on from there.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from authz.controller.api import Api
from authz.controller.kinds import VIRTUAL_SERVICES, Document, key
from authz.migrate.stages import cluster, old_rules
from authz.migrate.stages import steps as stages
from authz.migrate.stages.admission import POLICIES
from authz.migrate.stages.cluster import Followed, Stuck
from authz.migrate.stages.old_routes import writer
from authz.migrate.stages.steps import Item, Stage, Step
from authz.migrate.stages.writes import Mark, Put, Remove, Write

SETTLE_S = 5.0  # until every Envoy of a large mesh has heard of a change
DRAIN_S = 50.0  # connections of before a change know nothing of it for Istio's drainDuration, 45 s


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait, and whom to ask for Oathkeeper's rules: each of its pods."""

    settle_s: float = SETTLE_S
    drain_s: float = DRAIN_S
    oathkeepers: Sequence[str] = ()


Batch = Sequence[tuple[Item, Sequence[Step]]]
Told = Callable[[str], object]


class Travel:
    """`tell` gets a line for each step."""

    def __init__(self, api: Api, followed: Followed, tell: Told, pace: Pace) -> None:
        self._api = api
        self._followed = followed
        self._tell = tell
        self._pace = pace

    async def forward(self, items: Iterable[Item], to: Stage, *, keeps_callers: bool = True) -> None:
        """One stage, for all. Raises Stuck."""
        batch = [(item, stages.forward(item, to, keeps_callers=keeps_callers)) for item in items]
        await self._take(batch)
        for item, _ in batch:
            self._tell(f"{item.key}: {to!s}")

    async def back(self, items: Iterable[Item]) -> None:
        """To the stage before. Raises Stuck."""
        ways = [(item, *stages.back(item)) for item in items]
        await self._take([(item, steps) for item, _, steps in ways])
        for item, to, _ in ways:
            self._tell(f"{item.key}: {to!s}")

    async def _take(self, batch: Batch) -> None:
        """In lockstep: of a workload that several share, all guards stand before the first route does."""
        for column in zip_longest(*(steps for _, steps in batch)):
            pairs = [(item, step) for (item, _), step in zip(batch, column, strict=True) if step]
            for item, step in pairs:
                self._tell(f"{item.key}: {step.what}")
                for one in step.writes:
                    await cluster.write(self._api, one)
            for item, step in pairs:
                if step.awaited != "":
                    await self._followed.until(item.key, step.awaited)
            await self._has_rules([one for _, step in pairs for one in step.rules])
            await self._settled([step for _, step in pairs])
            for item, step in pairs:
                await self._stands(item, step)

    async def _has_rules(self, rules: Sequence[Document]) -> None:
        try:
            await old_rules.until(self._pace.oathkeepers, rules)
        except old_rules.Missing as missing:
            raise Stuck(f"{missing}: is its maester running?") from missing

    async def _settled(self, steps: Sequence[Step]) -> None:
        if any(step.drains for step in steps):
            await asyncio.sleep(self._pace.drain_s)
        elif any(map(_is_heard, (one for step in steps for one in step.writes))):
            await asyncio.sleep(self._pace.settle_s)

    async def _stands(self, item: Item, step: Step) -> None:
        """Nobody has put back a route as it was: two that write the same would go on for ever."""
        for one in step.writes:
            if isinstance(one, Put) and one.kind is VIRTUAL_SERVICES:
                there = await self._api.get(one.kind, key(one.document))
                if there["spec"] != one.document["spec"]:
                    raise Stuck(_AGAIN.format(item.key, key(one.document), writer(there)))


def _is_heard(one: Write) -> bool:
    """By an Envoy: what is kept in Secrets, and Oathkeeper's Rules, is for others."""
    return isinstance(one, Mark) or (
        isinstance(one, Put | Remove) and one.kind in (VIRTUAL_SERVICES, POLICIES)
    )


_AGAIN = "{}: VirtualService {} is not as it was written, {} has changed it: let it write no more"
