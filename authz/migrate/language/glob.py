"""Globs as Oathkeeper 0.40.9 reads them, by gobwas/glob 0.2.3 with `.` and `/` as separators.

`*` any number of characters but no separator, `**` any at all, `?` one but no separator, `[a-c]`, `[abc]`,
`[!abc]` one of these, even a separator, `{a,b}` either, and a backslash takes a meaning away.
"""

import re

from authz.migrate.language import charset
from authz.migrate.language.charset import Charset
from authz.migrate.language.node import Choice, Node, One, Repeat, Sequence
from authz.migrate.language.scanner import Scanner

_ONE = One(charset.ALL & ~charset.of("./"))
_SOME = Repeat(_ONE, 0, None)
_ALL = Repeat(One(charset.ALL), 0, None)
_WILDCARDS = {_ONE, _SOME, _ALL}


def parse(text: str) -> Node:
    """The whole text has to match it. Raises Undecided."""
    scanner = Scanner(text, "glob")
    parts: list[Node] = []
    while not scanner.ended():
        parts.append(_term(scanner))
        if len(parts) > 1 and {*parts[-2:]} <= _WILDCARDS and parts[-2:] != [_ONE, _ONE]:
            scanner.fail("has wildcards side by side, which the engine gets wrong")
    return Sequence(tuple(parts))


def overlaps(text: str) -> tuple[Node, ...]:
    """What the engine may take besides: of `a/**/b` alone, `a/b`, where one `/` is both.

    It does if nothing else in the whole URL is a pattern; from a part of it that can not be told.
    """
    start, open_, end = text.partition("**")
    if not open_ or quoted(start) != start or quoted(end) != end:
        return ()
    shared = [size for size in range(1, len(end) + 1) if start.endswith(end[:size])]
    return tuple(parse(start + end[size:]) for size in shared)


def quoted(text: str) -> str:
    """A glob for that text alone."""
    return re.sub(r"([*?\\\[\]{}])", r"\\\1", text)


def _term(text: Scanner) -> Node:
    if text.took("**"):
        return _ALL
    match text.take():
        case "*":
            return _SOME
        case "?":
            return _ONE
        case "[":
            return One(_class(text))
        case "{":
            return _alternatives(text)
        case taken:
            return One(charset.of(_plain(text, taken)))


def _alternatives(text: Scanner) -> Node:
    """Of plain text only: the engine is wrong about much else, such as `{*.a,b}` and `{,a}`."""
    options = [_alternative(text)]
    while text.took(","):
        options.append(_alternative(text))
    if not text.took("}"):
        text.fail("has a { that is not closed")
    return Choice(tuple(options))


def _alternative(text: Scanner) -> Node:
    parts: list[Node] = []
    while not text.ended() and text.ahead() not in (",", "}"):
        taken = text.take()
        if taken in "*?[{":
            text.fail(f"has a {taken} in {{}}, which the engine may get wrong")
        parts.append(One(charset.of(_plain(text, taken))))
    if not parts:
        text.fail("has nothing between { , }, which the engine gets wrong")
    return Sequence(tuple(parts))


def _class(text: Scanner) -> Charset:
    """Either one range or a list: not both, says the engine."""
    negated = text.took("!")
    first = text.take()
    found = _range(text, first) if text.took("-") else _list(text, first)
    return charset.ALL & ~found if negated else found


def _range(text: Scanner, low: str) -> Charset:
    high = text.take()
    if not text.took("]") or high < low or not (low + high).isascii():
        text.fail("has a range in [] that is not understood")
    return charset.span(low, high)


def _list(text: Scanner, first: str) -> Charset:
    if first == "]":
        text.fail("has nothing in []")
    found = charset.of(_plain(text, first))
    while not text.took("]"):
        found |= charset.of(_plain(text, text.take()))
    return found


def _plain(text: Scanner, taken: str) -> str:
    character = text.take() if taken == "\\" else taken
    if not character.isascii():
        text.fail("has a character outside of ASCII")
    return character
