"""Path templates for a language of paths: those that lie in it, and some that it lies in.

Segment by segment: a template so far leads to the states that its texts lead to; where all of them may end,
so may it; where anything may follow, `{**}` does. Of what a wildcard takes, only the characters are looked
at that no path is ambiguous for.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from authz.core import path as paths
from authz.istio import pattern, precedence
from authz.migrate.language import automaton, budget, build, charset, node
from authz.migrate.language.automaton import Machine, States
from authz.migrate.language.node import Node, One, Repeat
from authz.migrate.paths import comparison
from authz.migrate.paths.words import Words

FOUND_MAX = 256  # before those that others cover are dropped
STEPS_MAX = 500  # places that a segment may begin at
DEPTH_MAX = 16  # segments
ENDINGS_MAX = 64  # of what may stand after {**}
ENDING_SEGMENTS = 3
_COVERING = 10  # steps that two templates cost beside each other

_OLD = 0  # the mark of the language; the other one is of all paths
_ANYTHING = node.Sequence((One(charset.SLASH), Repeat(One(charset.ALL), 0, None)))
_SEGMENT = comparison.characters_of(paths.SEGMENT)
_REST = comparison.characters_of(paths.REST)


def within(old: Node, *, decoded: bool) -> Iterator[tuple[str, ...]]:
    """Templates all of whose paths are in the language: several answers, each tried harder for.

    Raises Undecided.
    """
    machine = build.machine(old, _ANYTHING)
    yield _sorted_out(_Within(machine, decoded).found())
    endings = tuple(_endings(machine))
    yield _sorted_out(_Within(machine, decoded, endings).found())
    yield _sorted_out(_Within(machine, decoded, endings, eager=True).found())


def around(old: Node, *, decoded: bool) -> tuple[str, ...]:
    """Templates that have all paths of the language, and others. Raises Undecided."""
    found = _sorted_out(_Around(build.machine(old), decoded).found())
    return _joined(found)


def _joined(found: tuple[str, ...]) -> tuple[str, ...]:
    """`/`, `/{*}` and `/{*}/{**}` are all that `/{**}` is, `//` aside."""
    for text in found:
        stem = text.removesuffix("{*}/{**}")
        parts = (stem, stem + "{*}", text)
        if stem != text and set(parts) <= set(found):
            whole = "/*" if stem == "/" else stem + "{**}"
            return _joined((*(other for other in found if other not in parts), whole))
    return found


def _sorted_out(found: Iterator[str]) -> tuple[str, ...]:
    """The legal ones, less those that another covers."""
    parsed = map(_parsed, islice(found, FOUND_MAX))
    legal = dict.fromkeys(path for path in parsed if path)
    wild: list[paths.Path] = []  # only these cover others
    for one in (path for path in legal if path.kind is not paths.Kind.EXACT):
        budget.spend(_COVERING * len(wild))
        if not _is_covered(one, wild):
            wild = [other for other in wild if not precedence.covers(one, other)] + [one]
    budget.spend(_COVERING * len(wild) * (len(legal) - len(wild)))
    kept = {one for one in legal if one in wild or not _is_covered(one, wild)}
    return tuple("/*" if str(one) == "/{**}" else str(one) for one in legal if one in kept)


def _is_covered(one: paths.Path, others: Iterable[paths.Path]) -> bool:
    return any(precedence.covers(other, one) for other in others)


def _parsed(text: str) -> paths.Path | None:
    """None if it is not one: it holds what a template can not, such as `*` as itself."""
    try:
        return pattern.parse(text)
    except ValueError:
        return None


class _Search:
    """Over the places where a segment ends, which are sets of states."""

    def __init__(self, machine: Machine, decoded: bool) -> None:
        self._machine = machine
        self._plain = comparison.plain_characters(decoded=decoded)
        self._steps = 0
        self._open: list[States] = []  # the places between the beginning and here
        self._known: dict[tuple[States, charset.Charset], States] = {}

    def found(self) -> Iterator[str]:
        return self._after(frozenset({0}))

    def _after(self, place: States) -> Iterator[str]:
        """What may come after that place."""
        self._steps += 1
        if place in self._open or self._steps > STEPS_MAX or len(self._open) > DEPTH_MAX:
            return
        self._open.append(place)
        yield from self._tails(place)
        self._open.pop()

    def _tails(self, place: States) -> Iterator[str]:
        raise NotImplementedError

    def _some(self, begun: States) -> States:
        """What `{*}` leads to."""
        segment = _SEGMENT & self._plain
        return self._beyond(self._reached(begun, segment), segment)

    def _reached(self, states: States, by: charset.Charset) -> States:
        """The same steps are gone from many places."""
        if (found := self._known.get((states, by))) is None:
            found = self._known[states, by] = automaton.reached(self._machine, states, by)
        return found

    def _beyond(self, states: States, by: charset.Charset) -> States:
        return automaton.beyond(self._machine, states, by)


class _Within(_Search):
    def __init__(
        self, machine: Machine, decoded: bool, endings: Sequence[str] = (), *, eager: bool = False
    ) -> None:
        super().__init__(machine, decoded)
        self._eager = eager
        self._lost = frozenset(state for state, hopes in enumerate(machine.hopes) if _OLD not in hopes)
        self._endings = endings

    def _tails(self, place: States) -> Iterator[str]:
        if self._may_end(place):
            yield ""
        begun = self._reached(place, charset.SLASH)
        if not begun or not self._lost.isdisjoint(begun):
            return
        if self._may_end(self._beyond(begun, self._plain)):
            yield "/{**}"
            return
        if self._may_end(begun):
            yield "/"
        yield from self._segments(begun)
        yield from self._ends(begun)

    def _segments(self, begun: States) -> Iterator[str]:
        found = Words(self._machine, begun, self._lost, eager=self._eager).found
        for segment, there in (*found, ("{*}", self._some(begun))):
            if self._lost.isdisjoint(there):
                yield from (f"/{segment}{tail}" for tail in self._after(there))

    def _ends(self, begun: States) -> Iterator[str]:
        """`{**}` and what stands after it."""
        rest = self._reached(self._beyond(begun, _REST & self._plain), charset.SLASH)
        for ending in self._endings if rest else ():
            there = rest
            budget.spend(len(ending))
            for character in ending:
                there = self._reached(there, charset.of(character))
            if self._may_end(there):
                yield "/{**}/" + ending

    def _may_end(self, place: States) -> bool:
        return all(_OLD in self._machine.marks[state] for state in place)


class _Around(_Search):
    def _tails(self, place: States) -> Iterator[str]:
        if self._may_end(place):
            yield ""
        begun = self._reached(place, charset.SLASH)
        if not begun:
            return
        if not begun.isdisjoint(self._reached(self._beyond(begun, self._plain), charset.SLASH)):
            yield "/{**}"
            return
        if self._may_end(begun):
            yield "/"
        words = Words(self._machine, begun)
        listed = words.complete and all(_parsed("/" + word) for word, _ in words.found)
        for segment, there in words.found if listed else [("{*}", self._some(begun))]:
            yield from (f"/{segment}{tail}" for tail in self._after(there))

    def _may_end(self, place: States) -> bool:
        return any(self._machine.marks[state] for state in place)


def _endings(machine: Machine) -> Iterator[str]:
    """The segments that the language's paths end with, where there is a list of them, last ones first."""
    ends = [state for state, marks in enumerate(machine.marks) if _OLD in marks]
    back = automaton.backwards(machine, ends)
    waiting = [("", frozenset({0}), 1)]
    for _ in range(ENDINGS_MAX):
        if not waiting:
            return
        text, place, depth = waiting.pop(0)
        words = Words(back, place)
        found = [(word, there) for word, there in words.found if there not in words.endless]
        for word, there in [("", place)] * (not text) + found:
            ending = word[::-1] + text
            yield ending
            further = automaton.reached(back, there, charset.SLASH)
            if further and depth < ENDING_SEGMENTS:
                waiting.append(("/" + ending, further, depth + 1))
