"""What is wrong with a document, and where: all of it at once, never the first thing only.

A problem is written for the person who wrote the document, in the document's own names.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from difflib import get_close_matches

PROBLEMS_MAX = 100  # nobody reads more at once

# To compare two names takes about 10 us, and every problem may ask for a suggestion.
NAME_MAX_LENGTH = 127  # a namespace, a slash and a name
KNOWN_MAX = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """`path` is like `spec.rules[0].path`."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class Invalid(Exception):
    """The document can not be used. Carries every problem found, in the document's order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


def did_you_mean(name: str, known: Collection[str]) -> str:
    """`, did you mean "hosts"?` where something known is close, otherwise nothing."""
    if len(name) > NAME_MAX_LENGTH or len(known) > KNOWN_MAX:
        return ""
    close = get_close_matches(name, sorted(known), n=1)
    return f', did you mean "{close[0]}"?' if close else ""
