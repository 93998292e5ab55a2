"""Old patterns beside new path templates: which paths are of the one and not of the other.

The meaning of a template is `core.path`'s own, and so is that of an ambiguous path: one that two programs
could read as two. Differences among those are told apart, for a host may refuse them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from authz.core import path as paths
from authz.migrate.language import automaton, build, charset, regex
from authz.migrate.language.automaton import Machine, Nfa
from authz.migrate.language.charset import Charset
from authz.migrate.language.node import Ahead, Choice, Edge, Node, One, Repeat, Sequence

NODES_MAX = 1_024  # templates as trees and machines of their paths, remembered


class Of(IntEnum):
    """Marks: what a path is one of."""

    OLD = 0
    NEW = 1
    PLAIN = -1


@dataclass(frozen=True, slots=True)
class Difference:
    """A path that only the old pattern matches, and one that only the new templates do.

    The paths in `odd_*` are ambiguous; those before are not.
    """

    missing: str | None = None
    extra: str | None = None
    odd_missing: str | None = None
    odd_extra: str | None = None

    def __bool__(self) -> bool:
        """True if there is any, were it among ambiguous paths only."""
        return self != Difference()


_ANY = Repeat(One(charset.ALL), 0, None)
_AMBIGUOUS = regex.parse(paths.AMBIGUOUS, regex.Dialect.RE2)
_PLAIN = Sequence(
    (Ahead(Sequence((_AMBIGUOUS, Edge.END)), wanted=False), One(charset.SLASH), _ANY),
)


def characters_of(text: str) -> Charset:
    """What a class of `core.path` takes."""
    node = regex.parse(text, regex.Dialect.RE2)
    if not isinstance(node, One):
        raise TypeError(text)
    return node.charset


@lru_cache
def plain_characters(*, decoded: bool) -> Charset:
    """Those that may stand in a path that means one thing; where the old side decoded: no encoded ones."""
    return sum(1 << code for code in range(0x7F) if plain(decoded=decoded).reads(f"/x{chr(code)}aa"))


@lru_cache
def plain(*, decoded: bool) -> Machine:
    """The paths that mean one thing. Where the old side saw decoded paths: that have nothing encoded."""
    raw = Sequence((Repeat(One(charset.ALL & ~charset.of("%")), 0, None), Edge.END))
    node = Sequence((Ahead(raw, wanted=True), _PLAIN)) if decoded else _PLAIN
    found = build.machine(node)
    return Machine(found.moves, tuple(frozenset({Of.PLAIN}) if marks else marks for marks in found.marks))


@lru_cache(NODES_MAX)
def template(text: str) -> Node:
    """As `core.path` matches it."""
    return regex.parse(paths.parse(text).regex, regex.Dialect.RE2)


def machine(old: Node, templates: Iterable[str], *, decoded: bool) -> Machine:
    """All three side by side. Raises Undecided."""
    nfa = Nfa()
    ends = {mark: nfa.end(mark) for mark in Of}
    new = Choice(tuple(map(template, templates)))
    starts = [
        build.add(nfa, old, ends[Of.OLD]),
        build.add(nfa, new, ends[Of.NEW]),
        build.embedded(nfa, plain(decoded=decoded)),
    ]
    return automaton.determined(nfa, starts)


def compare(old: Node, templates: Iterable[str], *, decoded: bool) -> Difference:
    """The shortest paths of each kind. Raises Undecided."""
    found: dict[frozenset[int], str] = {}
    for text, marks in automaton.texts(machine(old, templates, decoded=decoded), begin="/"):
        found.setdefault(marks, text)
    return Difference(
        missing=found.get(frozenset({Of.OLD, Of.PLAIN})),
        extra=found.get(frozenset({Of.NEW, Of.PLAIN})),
        odd_missing=found.get(frozenset({Of.OLD})),
        odd_extra=found.get(frozenset({Of.NEW})),
    )
