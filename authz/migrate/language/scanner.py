"""A pattern's text, gone through once from the left."""

from typing import NoReturn

from authz.migrate.language.node import Undecided

LENGTH_MAX = 2_048  # characters of a pattern
DEPTH_MAX = 40  # groups in groups; Python's own stack ends at some hundreds


class Scanner:
    """Where a reader stands in the text, and what it may say when it does not understand."""

    def __init__(self, text: str, kind: str) -> None:
        """Raises Undecided. `kind` names the text to its author."""
        if len(text) > LENGTH_MAX:
            raise Undecided(f"the {kind} has more than {LENGTH_MAX:,} characters")
        self._text = text
        self._kind = kind
        self._at = 0
        self._depth = 0

    def fail(self, what: str) -> NoReturn:
        """Raises Undecided, which says where."""
        raise Undecided(f"the {self._kind} {what} (at character {self._at + 1})")

    def ended(self) -> bool:
        """True if nothing is left."""
        return self._at == len(self._text)

    def ahead(self, count: int = 1) -> str:
        """The next characters; fewer at the end."""
        return self._text[self._at : self._at + count]

    def take(self) -> str:
        """The next character, gone past. Raises Undecided at the end."""
        if self.ended():
            self.fail("ends too early")
        self._at += 1
        return self._text[self._at - 1]

    def took(self, text: str) -> bool:
        """True if that comes next; it is gone past then."""
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def take_to(self, text: str) -> str:
        """What comes before that text, which is gone past too. Raises Undecided if it is not there."""
        found, there, _ = self._text[self._at :].partition(text)
        if not there:
            self.fail(f"lacks a {text}")
        self._at += len(found) + len(text)
        return found

    def enter(self) -> None:
        """A group. Raises Undecided if it is too deep."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            self.fail(f"has more than {DEPTH_MAX} groups in groups")

    def leave(self) -> None:
        """The group that was entered last."""
        self._depth -= 1

    def inside(self) -> bool:
        """True in a group."""
        return self._depth > 0
