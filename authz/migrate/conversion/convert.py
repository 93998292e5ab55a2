"""The converter's line: old rules and a person's choices become APIRules, authorizers and a report.

Read this file and you have read it. What waits for a decision is not written, and the report says so.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from authz.migrate.conversion import (
    assembly,
    authorizers,
    clashes,
    clients,
    grouping,
    judging,
    loadable,
    silence,
    waiting,
)
from authz.migrate.conversion.assembly import Built
from authz.migrate.conversion.judging import Judged
from authz.migrate.conversion.model.access import Secret
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.pipeline import configuration
from authz.migrate.old.rule import Old, Origin, World
from authz.migrate.report.rows import Finding, Ledger

T = TypeVar("T")
Document = dict[str, Any]

NO_CHOICES = Choices()


@dataclass(frozen=True, slots=True)
class Pair:
    """An old rule and where it went: an APIRule `namespace/name` and its rules by number, or nowhere."""

    old: Old
    apirule: str = ""
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """All that was made. `config` is what our configuration needs for it.

    `open` names what waits: for its own question, or for that of another of its host.
    """

    apirules: tuple[Document, ...]
    config: Document
    secrets: tuple[Secret, ...]
    clients: tuple[Document, ...]
    findings: tuple[Finding, ...]
    pairs: tuple[Pair, ...]
    open: tuple[str, ...] = ()


def convert(
    world: World, choices: Choices = NO_CHOICES, progress: Callable[[int], None] = lambda _: None
) -> Conversion:
    """Everything that was read. `progress` is told how many objects are done."""
    judged = [judging.judge(one, world, choices) for one in _counted(world.objects, progress)]
    ours = assembly.by_authorizer(made for one in judged for made in one.made)
    kept = _built(world, choices, judged, ours)
    made = [rule.made for one in kept for rule in one.rules]
    guarded = [one for one in made if one.is_shut or assembly.is_ours(one, ours)]
    overall = Ledger(Origin("", "conversion", "as a whole"), choices.accepted)
    about = [configuration.rows(world.settings, choices.accepted)] if world.settings else []
    registered = [clients.convert(client, choices.accepted) for client in world.clients]
    ledgers = [*(one.ledger for one in judged), *about, *(ledger for _, ledger in registered), overall]
    return Conversion(
        apirules=tuple(one.document for one in kept),
        config=authorizers.configuration(map(authorizers.entry, guarded), guarded, overall),
        secrets=authorizers.secrets(guarded),
        clients=tuple(document for document, _ in registered),
        findings=tuple(row for ledger in ledgers for row in ledger.findings),
        pairs=tuple(_pairs(world, kept)),
        open=tuple(str(ledger.origin) for ledger in ledgers if ledger.waits),
    )


def _built(world: World, choices: Choices, judged: Sequence[Judged], ours: frozenset[str]) -> list[Built]:
    """The APIRules of which nothing waits; whatever does, or is silent, gets its rows."""
    clashes.tell(judged)
    loadable.tell(judged)
    groups = grouping.groups(judged, choices, configuration.cors(world.settings))
    clashes.tell_hosts(groups)
    clashes.tell_patterns(groups, judged)
    built = [(group, assembly.build(group, ours)) for group in groups]
    for one in judged:
        silence.speak(one)
    waiting.tell(groups)
    return [one for group, one in built if one and not group.is_open]


def _pairs(world: World, kept: Iterable[Built]) -> Iterator[Pair]:
    """A rule with several hosts went to several APIRules, and one with none to nowhere."""
    went: dict[int, list[tuple[str, int]]] = {}  # by identity: two documents may go by one name
    for one in kept:
        metadata = one.document["metadata"]
        for index, rule in enumerate(one.rules):
            key = f"{metadata['namespace']}/{metadata['name']}"
            went.setdefault(id(rule.made.old), []).append((key, index))
    for old in world.rules:
        found = went.get(id(old), [])
        for key in dict.fromkeys(key for key, _ in found):
            yield Pair(old, key, tuple(index for other, index in found if other == key))
        if not found:
            yield Pair(old)


def _counted(many: Iterable[T], progress: Callable[[int], None]) -> Iterator[T]:
    for done, one in enumerate(many, 1):
        yield one
        progress(done)
