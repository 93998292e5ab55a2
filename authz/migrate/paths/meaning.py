"""What an old pattern says, whoever matched it.

`certain` is what its engine takes in any case; `possible` has what it may take besides, by its mistakes.
"""

from functools import lru_cache
from typing import assert_never

from authz.migrate.language import glob, regex
from authz.migrate.language.node import Choice, Node, Sequence, Undecided
from authz.migrate.old.rule import Strategy
from authz.migrate.paths import brackets, stems

PATTERNS_MAX = 1_024  # remembered


@lru_cache(PATTERNS_MAX)
def certain(pattern: str, strategy: Strategy) -> Node:
    """As a tree. Raises Undecided."""
    match strategy:
        case "regex":  # an APIRule's: Envoy matches it, and Oathkeeper what Envoy lets through
            return regex.parse(pattern, regex.Dialect.RE2)
        case "oathkeeper":
            parts = brackets.split(pattern)
            return Sequence(tuple(_regex(text) if inside else _literal(text) for text, inside in parts))
        case "glob":
            return glob.parse(_glob(pattern))
        case _:
            assert_never(strategy)


def decodes(strategy: Strategy) -> bool:
    """True where `%41` was an `A` to the pattern: Oathkeeper matches decoded paths."""
    return strategy != "regex"


def possible(pattern: str, strategy: Strategy) -> Node:
    """With what the engine may take besides. Raises Undecided."""
    found = certain(pattern, strategy)
    besides = glob.overlaps(_glob(pattern)) if strategy == "glob" else ()
    return Choice((found, *besides)) if besides else found


def _glob(pattern: str) -> str:
    return "".join(text if inside else glob.quoted(text) for text, inside in brackets.split(pattern))


def _regex(text: str) -> Node:
    return regex.parse(text, regex.Dialect.REGEXP2)


def _literal(text: str) -> Node:
    if not text.isascii():
        raise Undecided("it has a character outside of ASCII")
    return stems.literal(text)
