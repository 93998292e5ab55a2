"""The characters that RFC 3986 reserves: sent as they are or encoded, they were the same to Oathkeeper."""

from collections.abc import Iterator
from functools import lru_cache
from typing import assert_never

from authz.migrate.language import charset
from authz.migrate.language.charset import Charset
from authz.migrate.language.node import Ahead, Choice, Edge, Node, One, Repeat, Sequence, Undecided
from authz.migrate.old.rule import Pattern
from authz.migrate.paths import meaning

PATTERNS_MAX = 16_384  # remembered

# Envoy decodes the unreserved ones itself, and a host that mixes access refuses an encoded `/` or `%`.
_RESERVED = charset.ALL & ~(charset.WORD | charset.of("-.~/%"))


@lru_cache(PATTERNS_MAX)
def are_told(pattern: Pattern) -> bool:
    """True if the pattern tells one of them from the others, as `items:delete`, `[^:]+` and `(?!a@b)` do."""
    try:
        found = list(_charsets(meaning.possible(pattern.text, pattern.strategy)))
    except Undecided:
        return True
    return any(not one or one & _RESERVED not in (0, _RESERVED) for one in found)


def _charsets(node: Node) -> Iterator[Charset]:
    match node:
        case One():
            yield node.charset
        case Sequence():
            for part in node.parts:
                yield from _charsets(part)
        case Choice():
            for option in node.options:
                yield from _charsets(option)
        case Repeat() | Ahead():
            yield from _charsets(node.part)
        case Edge():
            return
        case _:
            assert_never(node)
