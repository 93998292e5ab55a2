"""Old path patterns made into path templates of APIRule v2, and held against them.

Nothing is guessed: what a pattern matches is known to the character, or Undecided says why it is not.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from authz.migrate.language import automaton, budget, build
from authz.migrate.language.automaton import Machine
from authz.migrate.language.node import Node, Sequence, Undecided
from authz.migrate.old.rule import Pattern, Strategy
from authz.migrate.paths import comparison, meaning, stems, templates, trials
from authz.migrate.paths.comparison import Difference
from authz.migrate.paths.trials import Witness

__all__ = [
    "Converted",
    "Difference",
    "Undecided",
    "Witness",
    "compare",
    "convert",
    "matches",
    "overlap",
    "overlap_at",
    "witnesses",
]

_REPORTED = 1  # of the answers tried, where none is exact: the last one would list exceptions as if meant
MACHINES_MAX = 1_024
PATTERNS_MAX = 16_384  # remembered: ten thousand rules share a few patterns


@dataclass(frozen=True, slots=True)
class Converted:
    """The templates for a pattern, and what is lost by them.

    `templates` match nothing that the pattern does not, ambiguous paths aside. If they do not match all of
    it, `difference.missing` is a path that they lack, and `wider` are others, if there are any that lack
    nothing: they match more, such as `wider_extra`.
    """

    templates: tuple[str, ...]
    difference: Difference
    wider: tuple[str, ...] = ()
    wider_extra: str | None = None

    @property
    def exact(self) -> bool:
        """True if the same paths match, those aside that two programs could read as two."""
        return self.missing is None and self.extra is None

    @property
    def missing(self) -> str | None:
        """A path that only the pattern matches."""
        return self.difference.missing

    @property
    def extra(self) -> str | None:
        """A path that only the templates match."""
        return self.difference.extra


def convert(pattern: str, strategy: Strategy) -> Converted:
    """The templates that lose least. Raises Undecided."""
    found = _outcome(pattern, strategy)
    if isinstance(found, Undecided):
        raise found
    return found


@lru_cache(PATTERNS_MAX)
def _outcome(pattern: str, strategy: Strategy) -> Converted | Undecided:
    """What took too long is remembered, too."""
    try:
        with budget.limited(budget.PATTERN_MAX):
            return _found(pattern, strategy)
    except Undecided as reason:
        return Undecided(*reason.args)


def _found(pattern: str, strategy: Strategy) -> Converted:
    certain, possible = meaning.certain(pattern, strategy), meaning.possible(pattern, strategy)
    decoded = meaning.decodes(strategy)
    if possible != certain:
        return _converted(certain, possible, decoded=decoded)
    stem, rest = stems.split(certain)
    if not stem:
        return _converted(certain, certain, decoded=decoded)
    found = _instead(_after_stem(stems.stand_in(stem), rest, decoded=decoded), stem)
    if (found.wider_extra or "").startswith(stem):  # it was outside with the stand-in
        return _converted(certain, certain, decoded=decoded)
    return found


@lru_cache(PATTERNS_MAX)
def _after_stem(stem: str, rest: Node, *, decoded: bool) -> Converted:
    whole = Sequence((stems.literal(stem), rest))
    return _converted(whole, whole, decoded=decoded)


def _instead(found: Converted, stem: str) -> Converted:
    def swapped(text: str) -> str:
        return stems.instead(text, stem)

    shown = found.difference
    witnesses = (shown.missing, shown.extra, shown.odd_missing, shown.odd_extra)
    return Converted(
        tuple(map(swapped, found.templates)),
        Difference(*(text and swapped(text) for text in witnesses)),
        tuple(map(swapped, found.wider)),
        found.wider_extra and swapped(found.wider_extra),
    )


def _converted(certain: Node, possible: Node, *, decoded: bool) -> Converted:
    known: dict[tuple[str, ...], Difference] = {}
    tried: list[Converted] = []
    for found in templates.within(certain, decoded=decoded):
        if found not in known:
            known[found] = comparison.compare(possible, found, decoded=decoded)
            if known[found].extra is not None:  # none was ever seen; a mistake here must not open a path
                raise Undecided(f"templates were found that match {known[found].extra} too")
        tried.append(Converted(found, known[found]))
        if tried[-1].exact:
            return tried[-1]
    return _with_wider(tried[_REPORTED], possible, decoded=decoded)


def _with_wider(narrower: Converted, old: Node, *, decoded: bool) -> Converted:
    wider = templates.around(old, decoded=decoded)
    difference = comparison.compare(old, wider, decoded=decoded)
    if difference.missing is not None:
        return narrower
    if difference.extra is None:
        return Converted(wider, difference)
    return replace(narrower, wider=wider, wider_extra=difference.extra)


def compare(pattern: str, strategy: Strategy, new: Iterable[str]) -> Difference:
    """Which paths the pattern and the templates do not share. Raises Undecided."""
    return comparison.compare(meaning.possible(pattern, strategy), new, decoded=meaning.decodes(strategy))


def matches(pattern: str, strategy: Strategy, path: str) -> bool:
    """True if the old pattern did. Raises Undecided."""
    return bool(_machine(pattern, strategy).reads(path))


def witnesses(pattern: str, strategy: Strategy, count: int) -> tuple[Witness, ...]:
    """That many paths at most, none of them ambiguous. Raises Undecided."""
    return trials.witnesses(_machine(pattern, strategy), count)


@lru_cache(MACHINES_MAX)
def _machine(pattern: str, strategy: Strategy) -> Machine:
    return build.machine(meaning.possible(pattern, strategy))


def overlap(one: tuple[str, Strategy], other: tuple[str, Strategy]) -> str | None:
    """A path that both match: then it matters which of them comes first. Raises Undecided."""
    machine = build.machine(meaning.possible(*one), meaning.possible(*other))
    both = (text for text, marks in automaton.texts(machine, begin="/") if len(marks) == 2)
    return next(both, None)


@lru_cache(PATTERNS_MAX)
def overlap_at(host: str, own: str, pattern: Pattern, path: str) -> str | None:
    """A path that both match at a host: `own`, and `path` behind a pattern that takes slashes too.

    `/` where that can not be told.
    """
    whole = f"/{pattern.text}{path}", pattern.strategy
    try:
        found = overlap(whole, (f"/{host}{own}", pattern.strategy))
    except Undecided:
        return "/"
    return found and found.removeprefix(f"/{host}")
