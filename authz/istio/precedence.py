"""Which request paths two patterns share: the ground of "the first rule that matches wins".

Patterns are compared as languages of segments, not by how they are spelt, in one pass over each:
authors write any number of rules, and every pair of them is compared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from authz.core.path import Path

SHAPES_MAX = 4_096  # of patterns, remembered: those of twenty large APIRules

Segments = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A pattern by its segments: those before `{**}` and those after. Without it, all are `head`."""

    head: Segments
    is_open: bool = False
    tail: Segments = ()

    @property
    def least(self) -> int:
        """The fewest segments of a path: `{**}` takes one or more, empty ones too."""
        return len(self.head) + self.is_open + len(self.tail)


def covers(general: Path, special: Path) -> bool:
    """True if every path of `special` is also one of `general`."""
    outer, inner = _shape(general), _shape(special)
    if not outer.is_open:
        return not inner.is_open and _all(_takes_in, outer.head, inner.head, strict=True)
    head, tail = (inner.head, inner.tail) if inner.is_open else (inner.head, inner.head)
    fits = len(head) >= len(outer.head) and len(tail) >= len(outer.tail) and inner.least >= outer.least
    return fits and _all(_takes_in, outer.head, head) and _all(_takes_in, outer.tail[::-1], tail[::-1])


def overlaps(one: Path, other: Path) -> bool:
    """True if some path is one of both."""
    first, second = sorted((_shape(one), _shape(other)), key=lambda shape: shape.is_open)
    if not second.is_open:
        return _all(_meet, first.head, second.head, strict=True)
    tail = first.tail if first.is_open else first.head
    fits = first.is_open or first.least >= second.least
    return fits and _all(_meet, first.head, second.head) and _all(_meet, tail[::-1], second.tail[::-1])


@lru_cache(SHAPES_MAX)
def _shape(path: Path) -> Shape:
    segments = tuple(str(path)[1:].split("/"))
    if "{**}" not in segments:
        return Shape(segments)
    at = segments.index("{**}")
    return Shape(segments[:at], is_open=True, tail=segments[at + 1 :])


def _all(
    holds: Callable[[str, str], bool], one: Sequence[str], other: Sequence[str], *, strict: bool = False
) -> bool:
    """Segment by segment, as far as both go; `strict` wants them to go equally far."""
    return one == other or ((len(one) == len(other) or not strict) and all(map(holds, one, other)))


def _takes_in(general: str, special: str) -> bool:
    """`{*}` takes a segment that is not empty."""
    return general == special or (general == "{*}" and special != "")


def _meet(one: str, other: str) -> bool:
    return _takes_in(one, other) or _takes_in(other, one)
