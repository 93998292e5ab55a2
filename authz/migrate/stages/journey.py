"""What `plan`, `apply` and `undo` do: look at the cluster, choose APIRules, take them stage by stage.

Between two stages the cluster is read anew: what has come into the way meanwhile stops the journey.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from authz.config import Config
from authz.controller.api import Api
from authz.controller.kinds import Document
from authz.core.reason import Unavailable
from authz.migrate.report import bound
from authz.migrate.stages import backwards, cluster, copies, differing, hindrances, old_rules, seen, survey
from authz.migrate.stages import steps as stages
from authz.migrate.stages.cluster import Followed, Stuck
from authz.migrate.stages.steps import Item, Stage
from authz.migrate.stages.survey import Planned
from authz.migrate.stages.surveyed import Survey
from authz.migrate.stages.travel import Pace, Travel
from authz.sources.http import Client

_UNSEEN = "no shadow has seen it: --report says where one tells, --without-shadow goes without"
_NO_REPORT = "the report of the shadow can not be read: {}"
_STILL = "{} still leads through Oathkeeper to its workload: migrate it first, or --in-cluster keep"
_TOGETHER = "its workload is also {}'s, which has not come so far: switch them together"
_OLD_ROUTE = "an old route is still there, and leads to its Rules: the end of the switch comes first"
_FORWARD = "{}: is taken forward again by somebody else: let them end first"
_WIDTHS = "{:<40} {:<8} {:<8} {}"


@dataclass(frozen=True, slots=True)
class Choices:
    """What a person has said."""

    only: Sequence[str] = ()
    namespace: str = ""
    label: str = ""
    shadow: str = ""
    report: str = ""
    without_shadow: bool = False
    in_cluster: str = "keep"
    settle: float = 5.0
    drain: float = 50.0
    oathkeeper: Sequence[str] = ()

    def takes(self, item: Item) -> bool:
        """True if it is one of those that are meant."""
        metadata = item.apirule["metadata"]
        name, _, value = self.label.partition("=")
        return (
            (not self.only or item.key in self.only)
            and self.namespace in ("", metadata["namespace"])
            and (not name or (metadata.get("labels") or {}).get(name) == value)
        )


class Journey:
    """`tell` gets each line for a person."""

    def __init__(
        self,
        api: Api,
        settings: Config,
        wanted: Sequence[Document],
        choices: Choices,
        tell: Callable[[str], object],
    ) -> None:
        self._api = api
        self._settings = settings
        self._wanted = wanted
        self._choices = choices
        self._tell = tell

    async def plan(self) -> list[Planned]:
        """Of those that are meant. Raises Refused or Unreachable."""
        return self._meant(await self._survey())

    def table(self, found: Iterable[Planned]) -> Iterator[str]:
        """One row for each, with what stands in its way and what to know below."""
        yield _WIDTHS.format("APIRule", "stage", "next", "")
        for one in found:
            stage = one.item.stage
            following = [*map(str, Stage), ""][stage if one.unfinished else stage + 1]
            blocked = "BLOCKED" if one.obstacles else ""
            yield _WIDTHS.format(one.item.key, str(stage), following, blocked).rstrip()
            yield from (f"    in the way: {line}" for line in one.obstacles)
            yield from (f"    note: {line}" for line in one.notes)

    async def apply(self, to: str | None, *, dry_run: bool) -> bool:
        """To the next stage, or to the one that is named. True if none was left behind. Raises Stuck."""
        whole = True
        for target in [stage for stage in Stage if stage > Stage.BEFORE]:
            if to and target > Stage[to.upper()]:
                break
            found = await self._survey()
            due = [one for one in self._meant(found) if self._is_due(one, target, to)]
            able = [one for one in due if not await self._stopped(found, one, target, due)]
            if target < Stage.SWITCH and await self._oathless(able):
                able = []
            whole &= len(able) == len(due)
            if able:
                await self._forward([one.item for one in able], target, found, dry_run=dry_run)
            if due and (dry_run or not to):
                break
        return whole

    async def undo(self, to: str | None, *, dry_run: bool) -> bool:
        """To the stage before, or to the one that is named. False if one can not be read. Raises Stuck."""
        lowest = Stage[to.upper()] if to else Stage.BEFORE
        above, moved = len(Stage), False
        while due := backwards.furthest(self._meant(found := await self._survey()), lowest):
            if moved and not to:
                return True
            items = [one.item for one in due]
            if stages.leaving(items[0]) >= above:
                raise Stuck(_FORWARD.format(", ".join(item.key for item in items)))
            if self._held(found, due) or await self._oathless(backwards.leaning(due)):
                return False
            above, moved = stages.leaving(items[0]), True
            if dry_run:
                self._show(found, [step for item in items for step in stages.back(item)[1]])
                return True
            await self._back(items)
        return moved or self._nothing(self._meant(found))

    def _held(self, found: Survey, due: Sequence[Planned]) -> bool:
        """Tells why they stay, all of them: of those on one workload none goes alone."""
        every, asked = survey.plan(found, self._wanted), bool(self._choices.oathkeeper)
        standing, held = found.around([]), False
        for one in due:
            problems = backwards.problems(found, one, due, every, asked=asked)
            for line in [*backwards.occupied(found, standing, one.item), *problems]:
                self._tell(f"{one.item.key}: stays at {one.item.stage!s}: {line}")
                held = True
        return held

    async def _oathless(self, due: Sequence[Planned]) -> bool:
        """Tells what those whom we may ask have not got, of Rules that are to be there."""
        rules = [rule for one in due if one.item.stage is not Stage.FINISH for rule in one.item.kept.rules]
        urls = self._choices.oathkeeper if due else ()
        lines = [line for url in urls for line in await old_rules.problems(url, rules)]
        for line in lines:
            self._tell(line)
        return bool(lines)

    def _nothing(self, found: Sequence[Planned]) -> bool:
        """Tells where they are. Of what is begun and at `before` an obstacle says why it is not known."""
        for one in found:
            self._tell(f"{one.item.key}: is at {one.item.stage!s}, nothing to undo")
            for line in one.obstacles:
                self._tell(f"{one.item.key}: {line}")
        if not found:
            self._tell("nothing to undo: no APIRule is on its way")
        return not any(one.obstacles and one.item.stage is Stage.BEFORE for one in found)

    async def _back(self, items: Sequence[Item]) -> None:
        async with cluster.followed(self._api, self._settings) as followed:
            await self._travel(followed).back(items)

    def _is_due(self, one: Planned, target: Stage, to: str | None) -> bool:
        """Without a shadow that stage is left out."""
        stage = one.item.stage
        if target is Stage.SHADOW and to and not one.item.kept.shadow:
            return False
        if target is Stage.SWITCH and stage is Stage.PREPARE:
            return bool(to) or self._choices.without_shadow
        return stage + 1 == target or (stage is target and one.unfinished)

    async def _stopped(self, found: Survey, one: Planned, target: Stage, due: Sequence[Planned]) -> list[str]:
        """Tells why it stays where it is."""
        problems = [*one.obstacles]
        if target in (Stage.PREPARE, Stage.SHADOW):
            problems += backwards.unserved(found, one.item)
        if target is Stage.SHADOW:
            problems += copies.problems(found, one.item.kept.shadow)
        if target is Stage.SWITCH and one.item.marked != "switch":
            problems += await self._judged(found, one, due)
        if target is Stage.FINISH and one.item.stage is Stage.SWITCH and one.unfinished:
            problems.append(_OLD_ROUTE)
        if target is Stage.FINISH and self._choices.in_cluster == "refuse":
            others = [other.item for other in due]
            problems += map(_STILL.format, hindrances.through_oathkeeper(found, one.item, others))
        for line in problems:
            self._tell(f"{one.item.key}: stays at {one.item.stage!s}: {line}")
        return problems

    async def _judged(self, found: Survey, one: Planned, due: Sequence[Planned]) -> list[str]:
        """Before the switch."""
        going = {other.item.key for other in due}
        known = {other.item.key: other.item.stage for other in survey.plan(found, self._wanted)}
        slow = [name for name in one.neighbours if name not in going and known[name] < Stage.SWITCH]
        problems = [_TOGETHER.format(name) for name in slow]
        if self._choices.without_shadow:
            return problems
        if not self._choices.report:
            return [*problems, _UNSEEN]
        return [*problems, *await self._seen(one)]

    async def _seen(self, one: Planned) -> list[str]:
        client = Client()
        try:
            report = json.loads(await client.get(self._choices.report))
            judged = {one.item.key: bound.digest_of(one.item.apirule)}
            problems, remarks = seen.problems(report, one.hosts, judged), seen.remarks(report, one.hosts)
            problems += seen.strangers(report, one.hosts, self._settings.istio.gateway_principal)
        except (Unavailable, ValueError, LookupError, TypeError, AttributeError) as error:
            return [_NO_REPORT.format(error)]
        finally:
            await client.close()
        for line in remarks:
            self._tell(f"{one.item.key}: {line}")
        return problems

    async def _forward(self, items: Sequence[Item], to: Stage, found: Survey, *, dry_run: bool) -> None:
        keeps = self._choices.in_cluster == "keep"
        if dry_run:
            steps = [step for item in items for step in stages.forward(item, to, keeps_callers=keeps)]
            self._show(found, steps)
            return
        async with cluster.followed(self._api, self._settings) as followed:
            await self._travel(followed).forward(items, to, keeps_callers=keeps)

    def _travel(self, followed: Followed) -> Travel:
        chosen = self._choices
        return Travel(self._api, followed, self._tell, Pace(chosen.settle, chosen.drain, chosen.oathkeeper))

    async def _survey(self) -> Survey:
        return await cluster.survey(self._api, self._settings)

    def _meant(self, found: Survey) -> list[Planned]:
        every = survey.plan(found, self._wanted, self._choices.shadow)
        if unknown := set(self._choices.only) - {one.item.key for one in every}:
            raise Stuck(f"{', '.join(sorted(unknown))}: no file has it, and it is not on its way")
        return [one for one in every if self._choices.takes(one.item)]

    def _show(self, found: Survey, steps: Iterable[stages.Step]) -> None:
        for line in differing.lines(found, steps):
            self._tell(line)
