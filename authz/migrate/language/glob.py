"""Globs as Oathkeeper 0.40.9 reads them, by gobwas/glob 0.2.3 with `.` and `/` as separators.

`*` any number of characters but no separator, `**` any at all, `?` one but no separator, `[a-c]`, `[abc]`,
`[!abc]` one of these, even a separator, `{a,b}` either, and a backslash takes a meaning away.
"""

from authz.migrate.language import charset
from authz.migrate.language.charset import Charset
from authz.migrate.language.node import Choice, Node, One, Repeat, Sequence
from authz.migrate.language.scanner import Scanner

_INSIDE: Charset = charset.ALL & ~charset.of("./")


def parse(text: str) -> Node:
    """The whole text has to match it. Raises Undecided."""
    scanner = Scanner(text, "glob")
    node = _sequence(scanner)
    if not scanner.ended():
        scanner.fail("has a } too many")
    return node


def _sequence(text: Scanner) -> Node:
    parts: list[Node] = []
    while not text.ended() and text.ahead() != "}" and not (text.inside() and text.ahead() == ","):
        parts.append(_term(text))
    return Sequence(tuple(parts))


def _term(text: Scanner) -> Node:
    if text.took("**"):
        return Repeat(One(charset.ALL), 0, None)
    match text.take():
        case "*":
            return Repeat(One(_INSIDE), 0, None)
        case "?":
            return One(_INSIDE)
        case "[":
            return One(_class(text))
        case "{":
            return _alternatives(text)
        case taken:
            return One(charset.of(_plain(text, taken)))


def _alternatives(text: Scanner) -> Node:
    text.enter()
    options = [_sequence(text)]
    while text.took(","):
        options.append(_sequence(text))
    if not text.took("}"):
        text.fail("has a { that is not closed")
    text.leave()
    return Choice(tuple(options))


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
