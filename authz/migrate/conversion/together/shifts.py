"""Which rule decides about a path, then and now: what a list of rules means as a whole.

A template that is narrower leaves paths to the rules behind it, and one that is wider takes paths from them:
whether that opens anything shows only here. All rules are those of one method and host.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from authz.migrate.language import automaton, build
from authz.migrate.language.automaton import Machine, Nfa
from authz.migrate.old.rule import Pattern
from authz.migrate.paths import comparison, meaning
from authz.migrate.paths.comparison import Of

Places = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """A path about which another rule decides now.

    `then` are the old rules that decided, by place: none, one, or several, where Oathkeeper answered 500.
    `now` is the place of the old rule whose template decides now, or None.
    """

    path: str
    then: Places
    now: int | None


def first(matching: Places) -> Places:
    """Of a gateway's routes the first decides."""
    return matching[:1]


def every(matching: Places) -> Places:
    """Of Oathkeeper's rules exactly one has to match."""
    return matching


def shifts(
    old: Sequence[Pattern], new: Sequence[tuple[str, int]], deciding: Callable[[Places], Places]
) -> tuple[Shift, ...]:
    """One for each way in which the two differ, by the shortest path that is not ambiguous.

    `new` has the templates in their order, each with the place of the old rule that it stands for. `deciding`
    tells of the old rules that match a path which ones decide. Raises Undecided.
    """
    found: dict[tuple[Places, int | None], str] = {}
    for text, marks in automaton.texts(_machine(old, new), begin="/"):
        if Of.PLAIN in marks:
            then = tuple(sorted(mark for mark in marks if 0 <= mark < len(old)))
            first_new = min((mark for mark in marks if mark >= len(old)), default=None)
            now = None if first_new is None else new[first_new - len(old)][1]
            found.setdefault((deciding(then), now), text)
    return tuple(
        Shift(path, then, now)
        for (then, now), path in found.items()
        if then != (() if now is None else (now,))
    )


def _machine(old: Sequence[Pattern], new: Sequence[tuple[str, int]]) -> Machine:
    nfa = Nfa()
    nodes = [meaning.possible(one.text, one.strategy) for one in old]
    nodes += [comparison.template(template) for template, _ in new]
    decoded = any(meaning.decodes(one.strategy) for one in old)
    starts = [build.add(nfa, node, nfa.end(mark)) for mark, node in enumerate(nodes)]
    nfa.end(Of.PLAIN)
    return automaton.determined(nfa, [*starts, build.embedded(nfa, comparison.plain(decoded=decoded))])
