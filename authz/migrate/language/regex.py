"""Regular expressions as old rules use them, read into a tree.

RE2 is what Envoy matches v1beta1 paths with; regexp2 (a .NET-like engine) is what Oathkeeper 0.40.9 matches
URLs with. What the two read alike is read here, and looking ahead for the latter, which RE2 lacks.
"""

import re
from enum import Enum, auto

from authz.migrate.language import charset, classes
from authz.migrate.language.node import EMPTY, Ahead, Choice, Edge, Node, One, Repeat, Sequence, may_be_empty
from authz.migrate.language.scanner import Scanner

REPEAT_MAX = 1_000  # RE2 refuses more


class Dialect(Enum):
    """Whose regular expression it is."""

    RE2 = auto()
    REGEXP2 = auto()


def parse(text: str, dialect: Dialect) -> Node:
    """The whole text has to match it. Raises Undecided."""
    return _Reader(Scanner(text, "regular expression"), dialect).everything()


_flags = re.compile("[is]*(?:-[is]+)?").fullmatch
_EDGES = {"^": Edge.START, "$": Edge.END}
_ESCAPED_EDGES = {"A": Edge.START, "z": Edge.END}


class _Reader:
    def __init__(self, text: Scanner, dialect: Dialect) -> None:
        self._text = text
        self._dialect = dialect
        self._folds = False
        self._names: set[str] = set()
        self._takes_underscore = dialect is Dialect.RE2

    def everything(self) -> Node:
        node = self._choice()
        if not self._text.ended():
            self._text.fail("has a ) too many")
        return node

    def _choice(self) -> Node:
        options = [self._sequence()]
        while self._text.took("|"):
            options.append(self._sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._text.ahead() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeated(self, node: Node) -> Node:
        count = self._count()
        if count is None:
            return node
        if isinstance(node, Edge | Ahead) or node is EMPTY:  # flags alone, where `()` may repeat
            self._text.fail("repeats what takes no character")
        # Not greedy: which match is found differs, and not whether there is one, but for a bug of regexp2's.
        if self._text.took("?") and self._dialect is Dialect.REGEXP2 and may_be_empty(node):
            self._text.fail("repeats lazily what may be empty, which the engine gets wrong")
        if self._text.ahead() in ("*", "+", "?", "{"):
            self._text.fail("repeats a repetition, which the engines read differently")
        return Repeat(node, *count)

    def _count(self) -> tuple[int, int | None] | None:
        if self._text.took("*"):
            return 0, None
        if self._text.took("+"):
            return 1, None
        if self._text.took("?"):
            return 0, 1
        return self._braces() if self._text.took("{") else None

    def _braces(self) -> tuple[int, int | None]:
        low, comma, high = self._text.take_to("}").partition(",")
        least = self._number(low)
        if not comma:
            return least, least
        if not high:
            return least, None
        if self._number(high) < least:
            self._text.fail("has a {} that ends before it begins")
        return least, self._number(high)

    def _number(self, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= REPEAT_MAX):
            self._text.fail(f"has a {{{text}}} that is no count up to {REPEAT_MAX:,}")
        return int(text)

    def _atom(self) -> Node:
        taken = self._text.take()
        if taken in _EDGES:
            return _EDGES[taken]
        match taken:
            case "(":
                return self._group()
            case "[":
                found = classes.read(self._text, folds=self._folds, takes_underscore=self._takes_underscore)
                return One(found)
            case "\\":
                return self._escape()
            case ".":
                return One(charset.ALL)
            case _:
                return One(self._folded(self._literal(taken)))

    def _literal(self, character: str) -> charset.Charset:
        if character in "*+?{" or not character.isascii():
            self._text.fail(f"has a {character} where it is not understood")
        return charset.of(character)

    def _folded(self, found: charset.Charset) -> charset.Charset:
        return charset.folded(found) if self._folds else found

    def _escape(self) -> Node:
        if self._text.ahead() in _ESCAPED_EDGES:
            return _ESCAPED_EDGES[self._text.take()]
        return One(self._folded(classes.escaped(self._text, takes_underscore=self._takes_underscore)))

    def _group(self) -> Node:
        self._text.enter()
        folds = self._folds
        if self._text.took("?"):
            node, folds = self._special(folds)
        else:
            node = self._choice()
        if not self._text.took(")"):
            self._text.fail("has a ( that is not closed")
        self._folds = folds
        self._text.leave()
        return node

    def _special(self, folds: bool) -> tuple[Node, bool]:
        """What `(?` begins, and whether case is folded after it."""
        if self._text.took("="):
            return self._ahead(wanted=True), folds
        if self._text.took("!"):
            return self._ahead(wanted=False), folds
        if self._text.took("<=") or self._text.took("<!"):
            self._text.fail("looks behind")
        if self._text.took("P<") or self._text.took("<"):
            self._named(self._text.take_to(">"))
            return self._choice(), folds
        return self._flagged(folds)

    def _named(self, name: str) -> None:
        if not (name.isidentifier() and name.isascii()) or name in self._names:
            self._text.fail(f"has a group with the name {name}, which the engines may not take")
        self._names.add(name)

    def _ahead(self, *, wanted: bool) -> Node:
        if self._dialect is Dialect.RE2:
            self._text.fail("looks ahead, which Envoy's can not")
        return Ahead(self._choice(), wanted)

    def _flagged(self, folds: bool) -> tuple[Node, bool]:
        """`i` folds case. `s` lets `.` take a line's end, and no path has one."""
        flags = ""
        while self._text.ahead() not in (":", ")"):
            flags += self._text.take()
        if not _flags(flags) or (not flags and self._text.ahead() == ")"):
            self._text.fail(f"has a (?{flags} that is not understood")
        on, _, off = flags.partition("-")
        self._folds = (self._folds or "i" in on) and "i" not in off
        if self._text.took(":"):
            return self._choice(), folds
        return EMPTY, self._folds
