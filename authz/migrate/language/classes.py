"""What stands between `[` and `]` in a regular expression, and what an escaped character means."""

from authz.migrate.language import charset
from authz.migrate.language.charset import Charset
from authz.migrate.language.scanner import Scanner


def read(text: Scanner, *, folds: bool, takes_underscore: bool) -> Charset:
    """A class, its `[` gone past. Raises Undecided."""
    return _Class(text, takes_underscore).read(folds=folds)


def escaped(text: Scanner, *, takes_underscore: bool) -> Charset:
    """What a backslash, gone past, and the next character stand for. Raises Undecided."""
    if text.ahead() in charset.ESCAPED:
        return charset.ESCAPED[text.take()]
    return charset.of(_punctuation(text, takes_underscore=takes_underscore))


def _punctuation(text: Scanner, *, takes_underscore: bool) -> str:
    """RE2 takes any escaped punctuation, regexp2 any but `_`; letters have meanings of their own."""
    taken = text.take()
    if taken.isalnum() or not taken.isascii() or (taken == "_" and not takes_underscore):
        text.fail(f"has a \\{taken} that is not understood")
    return taken


class _Class:
    def __init__(self, text: Scanner, takes_underscore: bool) -> None:
        self._text = text
        self._takes_underscore = takes_underscore

    def read(self, *, folds: bool) -> Charset:
        negated = self._text.took("^")
        found = self._item(first=True)
        while not self._text.took("]"):
            found |= self._item(first=False)
        found = charset.folded(found) if folds else found
        return charset.ALL & ~found if negated else found

    def _item(self, *, first: bool) -> Charset:
        """A character, a range or a named class."""
        if self._text.took("[:"):
            return self._named()
        if not first and self._text.ahead() == "-" and self._text.ahead(2) != "-]":
            self._text.fail("has a - in [] that is no range, which the engines read differently")
        if self._text.ahead(2)[1:] in charset.ESCAPED and self._text.took("\\"):
            return charset.ESCAPED[self._text.take()]
        low = self._plain()
        if self._text.ahead(2) == "-]" or not self._text.took("-"):
            return charset.of(low)
        high = self._plain()
        if high < low:
            self._text.fail("has a range in [] that ends before it begins")
        return charset.span(low, high)

    def _plain(self) -> str:
        """One character, as itself or escaped."""
        taken = self._text.take()
        if taken == "[" or not taken.isascii():
            self._text.fail(f"has a {taken} in [], which the engines read differently")
        if taken != "\\":
            return taken
        return _punctuation(self._text, takes_underscore=self._takes_underscore)

    def _named(self) -> Charset:
        negated = self._text.took("^")
        name = self._text.take_to(":]")
        if name not in charset.POSIX:
            self._text.fail(f"has a [:{name}:] that is not understood")
        found = charset.POSIX[name]
        return charset.ALL & ~found if negated else found
