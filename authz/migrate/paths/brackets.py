"""Oathkeeper's URLs: plain text, and patterns in angle brackets.

Brackets may hold brackets, as in `(?<name>...)`; only the outermost count (ory/ladon 1.1.0, `compiler`).
"""

from collections.abc import Iterator

from authz.migrate.language.node import Undecided


def split(text: str) -> Iterator[tuple[str, bool]]:
    """Its parts in turn, and of each whether it is a pattern. Raises Undecided."""
    depth, begin = 0, 0
    for at, character in enumerate(text):
        if character == "<":
            if depth == 0:
                yield text[begin:at], False
                begin = at + 1
            depth += 1
        elif character == ">":
            depth -= 1
            if depth < 0:
                break
            if depth == 0:
                yield text[begin:at], True
                begin = at + 1
    if depth != 0:
        raise Undecided("its angle brackets do not match")
    yield text[begin:], False
