"""Old path patterns made into path templates of APIRule v2, and held against them.

Nothing is guessed: what a pattern matches is known to the character, or Undecided says why it is not.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import assert_never

from authz.migrate import brackets, comparison, templates
from authz.migrate.comparison import Difference
from authz.migrate.language import automaton, build, charset, glob, regex
from authz.migrate.language.node import Node, One, Sequence, Undecided
from authz.migrate.old import Strategy

__all__ = ["Converted", "Difference", "Undecided", "compare", "convert", "overlap", "read"]

_REPORTED = 1  # of the answers tried, where none is exact: the last one would list exceptions as if meant
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


@lru_cache(PATTERNS_MAX)
def convert(pattern: str, strategy: Strategy) -> Converted:
    """The templates that lose least. Raises Undecided."""
    old = read(pattern, strategy)
    decoded = _decodes(strategy)
    tried = []
    for found in templates.within(old, decoded=decoded):
        converted = Converted(found, comparison.compare(old, found, decoded=decoded))
        if converted.exact:
            return converted
        tried.append(converted)
    return _with_wider(tried[_REPORTED], old, decoded=decoded)


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
    return comparison.compare(read(pattern, strategy), new, decoded=_decodes(strategy))


def overlap(one: tuple[str, Strategy], other: tuple[str, Strategy]) -> str | None:
    """A path that both match: then it matters which of them comes first. Raises Undecided."""
    machine = build.machine(read(*one), read(*other))
    both = (text for text, marks in automaton.texts(machine, begin="/") if len(marks) == 2)
    return next(both, None)


@lru_cache(PATTERNS_MAX)
def read(pattern: str, strategy: Strategy) -> Node:
    """What the pattern says. Raises Undecided."""
    match strategy:
        case "regex":  # an APIRule's: Envoy matches it, and Oathkeeper what Envoy lets through
            return regex.parse(pattern, regex.Dialect.RE2)
        case "oathkeeper":
            return _bracketed(pattern, lambda text: regex.parse(text, regex.Dialect.REGEXP2))
        case "glob":
            return _bracketed(pattern, glob.parse)
        case _:
            assert_never(strategy)


def _decodes(strategy: Strategy) -> bool:
    """True where `%41` was an `A` to the pattern: Oathkeeper matches decoded paths."""
    return strategy != "regex"


def _bracketed(pattern: str, parse: Callable[[str], Node]) -> Node:
    parts = brackets.split(pattern)
    return Sequence(tuple(parse(text) if is_pattern else _literal(text) for text, is_pattern in parts))


def _literal(text: str) -> Node:
    if not text.isascii():
        raise Undecided("it has a character outside of ASCII")
    return Sequence(tuple(One(charset.of(character)) for character in text))
