"""Both worlds are asked the same, and every difference gets its reason; what has none is told first.

The old world is a running Oathkeeper; the new rules are decided here. Nothing is changed anywhere.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from authz.core import cors
from authz.core.reason import Unavailable
from authz.migrate.old.rule import Old
from authz.migrate.report.rows import Finding
from authz.migrate.verification import changes, differences
from authz.migrate.verification.before import Before
from authz.migrate.verification.changes import Change
from authz.migrate.verification.differences import Context, Difference, Kind
from authz.migrate.verification.mesh import Mesh, Outcome
from authz.migrate.verification.oathkeeper import AT_ONCE, Answer
from authz.migrate.verification.requests import Sent

NO_CONTEXT = Context()
TRIES = 5
PAUSE_S = 1.0

# What every answer of an HTTP server has, and says nothing about a caller.
_OF_HTTP = frozenset(
    {"content-length", "content-type", "content-encoding", "date", "vary", "connection", "transfer-encoding"}
)


@dataclass(slots=True)
class Row:
    """Differences of one cause. The example is the first that was seen."""

    kind: Kind
    change: Change | None
    example: Difference
    count: int = 1


@dataclass(slots=True)
class Tally:
    """What came of a run. `skipped` were decided by the mesh before, as they will be."""

    asked: int = 0
    same: int = 0
    skipped: int = 0
    allowed: int = 0  # by both
    unavailable: dict[str, int] = field(default_factory=dict)  # who did not answer, and how often
    rows: dict[tuple[object, ...], Row] = field(default_factory=dict)

    @property
    def unexplained(self) -> list[Row]:
        """Each of them fails the verification."""
        return [row for row in self.sorted() if row.change is None]

    @property
    def is_good(self) -> bool:
        """Every request was decided by both, and every difference has its reason."""
        return not self.unexplained and not self.unavailable and self.asked > self.skipped

    def sorted(self) -> list[Row]:
        """Without a reason first, then the grave, then the frequent."""
        kinds = list(Kind)
        return sorted(
            self.rows.values(), key=lambda row: (row.change is not None, kinds.index(row.kind), -row.count)
        )

    def add(self, difference: Difference, context: Context) -> None:
        """One more of its cause; without one, of its rule and answers."""
        change = changes.explain(difference, context)
        key: tuple[object, ...] = (difference.kind, change.name if change else None)
        if change is None:
            rules = tuple((str(rule.origin), rule.index) for rule in context.matching)
            key += (rules, difference.old.status, difference.new.why, *difference.told)
        if known := self.rows.get(key):
            known.count += 1
        else:
            self.rows[key] = Row(difference.kind, change, difference.without_secrets)


class Verification:
    """One run: the two worlds, the old rules by host, and what the report says."""

    def __init__(self, before: Before, mesh: Mesh, rules: Sequence[Old], findings: Iterable[Finding]) -> None:
        self._before = before
        self._mesh = mesh
        self._findings: dict[str, list[Finding]] = {}
        for finding in findings:
            self._findings.setdefault(finding.object, []).append(finding)
        self._gone: set[str] = set()  # what has not answered for a while need not be waited for again
        self._hosts: dict[str, list[Old]] = {}
        for rule in rules:
            for host in rule.hosts:
                self._hosts.setdefault(host.text.lower(), []).append(rule)

    async def run(self, requests: Iterable[Sent], progress: Callable[[int], None] = lambda _: None) -> Tally:
        """As many at once as Oathkeeper is asked. Raises Unreachable."""
        tally, left = Tally(), iter(requests)

        async def work() -> None:
            for sent in left:
                await self.judge(sent, tally)
                tally.asked += 1
                progress(tally.asked)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
        return tally

    async def judge(self, sent: Sent, tally: Tally) -> None:
        """One request, into the tally. Raises Unreachable."""
        now = time.time()
        old = await self._before.ask(sent)
        if old is None:
            self._compare_unasked(sent, tally, now)
            return
        new = await self._decided(sent, now)
        if isinstance(new, str):
            tally.unavailable[new] = tally.unavailable.get(new, 0) + 1
            return
        difference = compare(sent, old, new, now)
        if difference is None:
            tally.same += 1
            tally.allowed += old.allows
        else:
            tally.add(difference, self._context(sent))

    def _compare_unasked(self, sent: Sent, tally: Tally, now: float) -> None:
        """Of what the mesh decided: that it still asks for a token there, and that there is still a route."""
        new = None if cors.is_preflight(sent.request) else self._mesh.unasked(sent.request)
        context = self._context(sent) if new else NO_CONTEXT
        if new and new.allows:
            old = Answer(403, "the mesh, for want of a token")
            tally.add(Difference(sent, old, new, Kind.WIDENED, now), context)
        elif new and any(sent.method in rule.methods for rule in context.matching):
            old = Answer(200, "the mesh, with a good token")
            tally.add(Difference(sent, old, new, Kind.NARROWED, now), context)
        else:
            tally.skipped += 1

    async def _decided(self, sent: Sent, now: float) -> Outcome | str:
        """Or what did not answer. It is asked again, for a run asks more at once than callers would."""
        why = ""
        for left in reversed(range(TRIES)):
            try:
                new = await self._mesh.decide(sent.request, now)
            except Unavailable as unavailable:
                why = str(unavailable)
            else:
                if new.status != 503:
                    return new
                why = new.note
            if why in self._gone or not left:
                break
            await asyncio.sleep(PAUSE_S)
        self._gone.add(why)
        return why

    def _context(self, sent: Sent) -> Context:
        rules = self._hosts.get(sent.host.partition(":")[0].lower(), [])
        if sent.about and sent.about not in rules:
            rules = [*rules, sent.about]
        objects = {str(rule.origin) for rule in rules}
        findings = [one for name in objects for one in self._findings.get(name, ())]
        return differences.context(sent, rules, findings, names_path=self._mesh.names_path(sent.request))


def compare(sent: Sent, old: Answer, new: Outcome, now: float) -> Difference | None:
    """None where they mean the same to the caller and the workload."""
    if old.allows and new.allows:
        told = dict(_told(sent, old, new))
        return Difference(sent, old, new, Kind.TOLD, now, told) if told else None
    if old.allows or new.allows:
        return Difference(sent, old, new, Kind.WIDENED if new.allows else Kind.NARROWED, now)
    if old.status == new.status:
        return None
    return Difference(sent, old, new, Kind.REFUSED, now)


def _told(sent: Sent, old: Answer, new: Outcome) -> Iterator[tuple[str, tuple[str, str]]]:
    """Of what mutators have set: Oathkeeper's answer also repeats the request's own headers."""
    if old.who != "Oathkeeper":
        return
    own = frozenset(sent.lines)
    for name, value in old.headers.items():
        if name in _OF_HTTP or name.startswith("x-forwarded-") or (name, value) in own:
            continue
        there = new.headers.get(name, "")
        if _plain(name, value) != _plain(name, there):
            yield name, (value, there)


def _plain(name: str, value: str) -> object:
    """Cookies come in any order."""
    return frozenset(value.split("; ")) if name == "cookie" else value
