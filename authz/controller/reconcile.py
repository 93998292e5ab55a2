"""One APIRule, from what it says to what is in the cluster: gather, decide, act, tell.

Called for a key, not for a change: it may be called at any time, any number of times, after any failure.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext, suppress

from authz.controller import exposure, facts, held, kinds, status, waits
from authz.controller.api import Api, Refused
from authz.controller.events import Events
from authz.controller.facts import Facts
from authz.controller.held import FINALIZER, Rule
from authz.controller.kinds import APIRULES, EMITTED, VIRTUAL_SERVICES, Document
from authz.controller.plan import Apply, Delete, Phase, Step, plan
from authz.controller.rewrites import Contested, Rewrites, lost
from authz.controller.sidecars import Sidecars
from authz.controller.status import Disputed, Done, Failed, Obstructed, Unreadable, Verdict, Waiting
from authz.controller.telemetry import Telemetry
from authz.controller.world import World
from authz.istio.problem import Invalid, Problem
from authz.istio.translate import Resource


class Reconciler:
    """`clock` gives seconds since the epoch."""

    def __init__(
        self, api: Api, world: World, telemetry: Telemetry, events: Events, clock: Callable[[], float]
    ) -> None:
        self._api = api
        self._world = world
        self._telemetry = telemetry
        self._events = events
        self._clock = clock
        self._sidecars = Sidecars(api, clock)
        self._rewrites = Rewrites(clock)
        self._departed_s: dict[str, float] = {}  # APIRules that are being deleted, since when
        self.guards_outlive_s = 0.0

    def begin(self) -> None:
        """Another one may have led meanwhile."""
        self._departed_s.clear()
        self._world.judged.clear()

    async def reconcile(self, key: str) -> Verdict:
        """Raises Refused, Unreachable or NotLeading; what was done until then stays, and is right."""
        rule = self._world.rules.known.get(key)
        if rule is None:
            self._world.forget(key)
            self._departed_s.pop(key, None)
            await self._bury(key)
            self._telemetry.forget(key)
            return Done()
        if rule.deleting:
            return await self._remove(rule)
        hosts = self._world.claims.of(key).hosts  # that are judged: a Gateway may give it others meanwhile
        verdict = await self._pursue(rule)
        await self._tell(rule, verdict, hosts)
        return verdict

    async def _pursue(self, rule: Rule) -> Verdict:
        self._world.judged[rule.key] = rule.apirule
        if rule.apirule is None:
            return Unreadable(rule.problems, serves=await self._still_serves(rule.key))
        try:
            found = facts.gather(rule, self._world)
            desired = found.translated
        except Invalid as invalid:
            return Obstructed(invalid.problems, serves=await self._still_serves(rule.key))
        self._world.unguided.pop(rule.key, None)
        phases = plan(desired, self._world.actual(rule.key, desired))
        if wait := waits.to_write(rule.key, phases, self._world):
            await self._still_serves(rule.key, wait.roots)
            return Waiting(wait.message)
        self._world.belongings.expect(rule.key, desired)
        try:
            return await self._take(rule, found, phases)
        except Contested as contested:
            await self._phases(lost(desired, self._world.actual(rule.key)))
            return Disputed(contested.message)
        except Refused as refused:
            if refused.status == 409:
                raise
            return Failed(str(refused))

    async def _still_serves(self, key: str, roots: Iterable[str] = ()) -> bool:
        """Its last version goes on, unless its guards do not stand any more. `roots`: for whom it waits."""
        self._world.unguided[key] = frozenset(roots or (key,))
        self._world.belongings.adopt(key)
        if exposure.is_exposed(key, self._world):
            await self._phases(plan((), exposure.routes(key, self._world)))
            self._world.concern(key)  # its hosts may be somebody else's now
        return bool(exposure.routes(key, self._world))

    async def _take(self, rule: Rule, found: Facts, phases: Sequence[Phase]) -> Verdict:
        """The finalizer is there before the route is; what is left behind before that has our labels."""
        opening = next((number for number, phase in enumerate(phases) if _opens(phase)), len(phases))
        bare: list[Problem] = []
        looking = [self._look(found, bare)] if phases[opening:] else []
        await _together(self._hold(rule), self._phases(phases[:opening]), *looking)
        if bare:
            return Obstructed(tuple(bare), serves=bool(exposure.routes(rule.key, self._world)), unseen=True)
        if phases[opening:] and (blocker := waits.to_route(rule.key, found.translated, self._world)):
            return Waiting(blocker)
        if phases[opening:] and not self._is_current(rule, found):
            return Waiting("The cluster has changed meanwhile")
        await self._phases(phases[opening:])
        return Done()

    async def _look(self, found: Facts, bare: list[Problem]) -> None:
        bare += await self._sidecars.problems(found.apirule, self._world.configured)

    def _is_current(self, rule: Rule, found: Facts) -> bool:
        """The writes took their time: a host may have become somebody else's, or a guard may have gone."""
        known = self._world.rules.known.get(rule.key)
        guards = (one for one in found.translated if one["kind"] != VIRTUAL_SERVICES.name)
        if known is None or any(kinds.key(one) not in self._world.store(one["kind"]).known for one in guards):
            return False
        with suppress(Invalid):
            now = facts.gather(known, self._world)
            return now == found or now.translated == found.translated
        return False

    async def _phases(self, phases: Iterable[Phase]) -> None:
        for phase in phases:
            await _together(*map(self._step, phase))

    async def _step(self, step: Step) -> None:
        match step:
            case Apply(resource=resource):
                await self._apply(resource)
            case Delete(id=(kind, key)):
                await self._delete(kind, key)

    async def _apply(self, resource: Resource) -> None:
        """Also takes away what others have put into it, which server-side apply leaves there."""
        kind, name = EMITTED[resource["kind"]], kinds.key(resource)
        content = held.content(resource)
        # A guard that has gone is put back at any pace: without an ALLOW its pods are open to everyone.
        lost = kind != VIRTUAL_SERVICES and name not in self._world.store(kind.name).known
        with nullcontext() if lost else self._rewrites.counted((kind.name, name), content):
            written = await self._api.apply(kind, resource)
        if excess := held.excess(written, resource):
            written = await self._api.merge(kind, name, excess)
        self._world.store(kind.name).put(written)
        if held.content(written) != content:
            raise Refused(422, f"{kind.name} {name} is not what was applied: something changes it")

    async def _delete(self, kind: str, key: str) -> None:
        left: Document = {}
        try:
            with self._rewrites.counted((kind, key)):
                self._world.belongings.gone((kind, key))
                left = await self._api.delete(EMITTED[kind], key)
        except Refused as refused:
            if refused.status != 404:
                raise
        if "deletionTimestamp" in left.get("metadata", {}):
            raise Refused(423, f"{kind} {key} is held by a finalizer of somebody else's")
        self._world.store(kind).forget(key)

    async def _remove(self, rule: Rule) -> Verdict:
        """Its objects, then what holds it back."""
        phases = plan((), self._world.actual(rule.key))
        if phases and phases[0][0].id[0] == VIRTUAL_SERVICES.name:
            await self._phases(phases[:1])
            self._departed_s.pop(rule.key, None)
            phases = phases[1:]
        if phases and self._departs(rule.key):
            return Waiting("Its routes have gone, and proxies may not have heard of it yet")
        await self._phases(phases)
        self._departed_s.pop(rule.key, None)
        if FINALIZER in rule.finalizers:
            await self._finalizers(rule, [name for name in rule.finalizers if name != FINALIZER])
        return Done()

    def _departs(self, key: str) -> bool:
        """True while its guards have to stay. After a restart it is as if its routes had just gone."""
        now_s = asyncio.get_running_loop().time()
        return now_s - self._departed_s.setdefault(key, now_s) < self.guards_outlive_s

    async def _bury(self, key: str) -> None:
        """What an APIRule left that was taken away by force. Asked once more, for there is no way back."""
        if not (left := self._world.actual(key)):
            return
        try:
            await self._api.get(APIRULES, key)
        except Refused as refused:
            if refused.status != 404:
                raise
            await self._phases(plan((), left))

    async def _hold(self, rule: Rule) -> None:
        """It shall not go before its objects have gone."""
        if FINALIZER not in rule.finalizers:
            await self._finalizers(rule, (*rule.finalizers, FINALIZER))

    async def _finalizers(self, rule: Rule, finalizers: Sequence[str]) -> None:
        """Nobody else's is lost: 409 if the APIRule has changed meanwhile."""
        metadata = {"finalizers": list(finalizers), "resourceVersion": rule.version}
        try:
            written = await self._api.merge(APIRULES, rule.key, {"metadata": metadata})
        except Refused as refused:
            if refused.status == 404 and rule.deleting:
                return
            raise
        if not rule.deleting:
            self._world.rules.put(written)

    async def _tell(self, rule: Rule, verdict: Verdict, hosts: Sequence[str]) -> None:
        told = status.render(verdict, rule.generation, rule.status, kinds.stamp(self._clock()), hosts)
        if told is not None:
            try:
                written = await self._api.merge(APIRULES, rule.key, {"status": told}, "status")
            except Refused as refused:
                if refused.status == 404:  # it has gone meanwhile
                    return
                raise
            self._world.rules.put(written)
            self._events.tell(rule, verdict)
        self._telemetry.state(rule.key, status.state(verdict))


async def _together(*steps: Awaitable[None]) -> None:
    """None is under way any more when this ends, however it ends."""
    for outcome in await asyncio.gather(*steps, return_exceptions=True):
        if outcome is not None:
            raise outcome


def _opens(phase: Phase) -> bool:
    return any(isinstance(step, Apply) and step.opens for step in phase)
