"""Which request paths two patterns share: the ground of "the first rule that matches wins".

Patterns are compared as languages of segments, by walking both at once, not by how they are spelt.
"""

from collections.abc import Callable

from authz.core.path import Kind, Path

Rest = tuple[str, ...]  # the segments of a pattern that are still to be met; () is the end
States = frozenset[Rest]

_OTHER = "{}"  # stands for every segment that neither pattern names; no literal holds braces


def covers(general: Path, special: Path) -> bool:
    """True if every path of `special` is also one of `general`."""
    if special.kind is Kind.EXACT:
        return general.matches(special.text)
    if not _near(general, special):
        return False
    return not _reach(special, general, lambda one, other: () in one and () not in other)


def overlaps(one: Path, other: Path) -> bool:
    """True if some path is one of both."""
    if one.kind is Kind.EXACT:
        return other.matches(one.text)
    return _near(one, other) and _reach(one, other, lambda one, other: () in one and () in other)


def _near(one: Path, other: Path) -> bool:
    """False for most pairs, at little cost: what stands before the first wildcard differs."""
    head, start = one.text.partition("{")[0], other.text.partition("{")[0]
    return head.startswith(start) or start.startswith(head)


def _reach(one: Path, other: Path, wanted: Callable[[States, States], bool]) -> bool:
    """True if some sequence of segments brings both patterns to where `wanted` holds."""
    segments = {*_segments(one), *_segments(other), "", _OTHER} - {"{*}", "{**}"}
    start = frozenset({_segments(one)}), frozenset({_segments(other)})
    seen, ahead = {start}, [start]
    while ahead:
        here = ahead.pop()
        if wanted(*here):
            return True
        new = {(_after(here[0], segment), _after(here[1], segment)) for segment in segments} - seen
        seen |= new
        ahead += new
    return False


def _segments(path: Path) -> Rest:
    return tuple(str(path)[1:].split("/"))


def _after(states: States, segment: str) -> States:
    return frozenset(after for rest in states if rest for after in _step(rest, segment))


def _step(rest: Rest, segment: str) -> tuple[Rest, ...]:
    """`{**}` takes one segment or more, empty ones too; `{*}` takes one that is not empty."""
    match rest[0]:
        case "{**}":
            return rest, rest[1:]
        case "{*}":
            return (rest[1:],) if segment else ()
        case literal:
            return (rest[1:],) if segment == literal else ()
