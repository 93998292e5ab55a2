"""APIRule paths: what a pattern means, and which request paths mean two things at once.

The virtual service, the policies and the authorizer all take their meaning from here, so that a
path can not be one thing to the router and another to the guard.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import methodcaller

# What Envoy's URI templates match in a wildcard, of all that a path can hold: neither `[` nor `]`
# (measured on Envoy 1.40; a slow test holds it against the real one, character by character).
SEGMENT = r"[A-Za-z0-9\-._~%!$&'()*+,;:@=]"
REST = r"[A-Za-z0-9\-._~%!$&'()*+,;:@=/]"

# RE2 and Python read this alike. Refused: what RFC 3986 3.3 has no place for, broken percent-encoding,
# `//`, `/./`, `/../`, `;`, and encoded `/`, `\`, `.`, `%` and NUL.
_AMBIGUITY = (
    r"/\.{0,2}/|/\.{1,2}$|[^A-Za-z0-9\-._~!$&'()*+,=:@/%]"
    r"|%(?:$|.$|[^0-9A-Fa-f]|.[^0-9A-Fa-f])"
    r"|%(?:2[fFeE5]|5[cC]|00)"
)
AMBIGUOUS = f".*(?:{_AMBIGUITY}).*"  # to be matched in full, as Envoy does
_ambiguous = re.compile(_AMBIGUITY).search


class Kind(Enum):
    """How a pattern is matched, cheapest first."""

    EXACT = auto()
    PREFIX = auto()
    TEMPLATE = auto()


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed pattern. `text` is the path, the prefix (with its last `/`), or the template.

    `matches` tells of a request path (no query) whether it is one of this pattern's.
    """

    kind: Kind
    text: str
    matches: Callable[[str], object] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Choose how to match at load, not at each request."""
        object.__setattr__(self, "matches", self._matcher())

    @property
    def regex(self) -> str:
        """The same pattern as a regular expression for RE2 and Python, to be matched in full."""
        if self.kind is Kind.EXACT:
            return re.escape(self.text)
        if self.kind is Kind.PREFIX:
            return re.escape(self.text) + ".*"
        return "/".join(_segment(part) for part in self.text.split("/"))

    def __str__(self) -> str:
        return self.text + "{**}" if self.kind is Kind.PREFIX else self.text

    def _matcher(self) -> Callable[[str], object]:
        if self.kind is Kind.EXACT:
            return self.text.__eq__
        if self.kind is Kind.PREFIX:
            return methodcaller("startswith", self.text)
        return re.compile(self.regex).fullmatch


def parse(pattern: str) -> Path:
    """`/a` is exact, `/a/{**}` and `/*` are prefixes, any other wildcard makes a template."""
    if pattern == "/*":
        return Path(Kind.PREFIX, "/")
    stem = pattern.removesuffix("{**}")
    if "{" in stem:
        return Path(Kind.TEMPLATE, pattern)
    return Path(Kind.EXACT, pattern) if stem == pattern else Path(Kind.PREFIX, stem)


def is_ambiguous(path: str) -> bool:
    """True if two parsers could take the path for two different ones."""
    return _ambiguous(path) is not None


def _segment(part: str) -> str:
    match part:
        case "{*}":
            return SEGMENT + "+"
        case "{**}":
            return REST + "*"
        case _:
            return re.escape(part)
