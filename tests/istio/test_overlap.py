"""Which patterns cover or meet each other, whatever their spelling."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.core import path
from authz.istio import precedence

# general, special, covers, overlaps
PAIRS = [
    ("/a", "/a", True, True),
    ("/a", "/b", False, False),
    ("/a", "/a/", False, False),
    ("/a", "/a/{**}", False, False),
    ("/*", "/", True, True),
    ("/*", "/a/{**}", True, True),
    ("/a/{**}", "/*", False, True),
    ("/a/{**}", "/a", False, False),
    ("/a/{**}", "/a/", True, True),
    ("/a/{**}", "/ab/{**}", False, False),
    ("/a/{**}", "/a/{*}/b", True, True),
    ("/{*}", "/a", True, True),
    ("/{*}", "/", False, False),
    ("/{*}", "/{**}", False, True),
    ("/{*}/b", "/a/{*}", False, True),
    ("/{*}/b", "/a/c", False, False),
    ("/{*}/{*}", "/{*}/b", True, True),
    ("/{*}/{**}", "/a/{**}", True, True),
    ("/{**}/z", "/{*}/z", True, True),
    ("/{**}/z", "/a/{**}", False, True),
    ("/{**}/z", "/a/{**}/z", True, True),
    ("/{**}/z", "/a/{*}", False, True),
    ("/{**}/a/b", "/{**}/b", False, True),
    ("/{**}/a", "/{**}/b", False, False),
    ("/a/{**}/a", "/a/a", False, False),
    ("/{*}/{*}", "/{*}", False, False),
]


@pytest.mark.parametrize(("general", "special", "covers", "overlaps"), PAIRS)
def test_patterns_are_compared_by_what_they_match(general, special, covers, overlaps):
    one, other = path.parse(general), path.parse(special)
    assert precedence.covers(one, other) is covers
    assert precedence.overlaps(one, other) is overlaps
    assert precedence.overlaps(other, one) is overlaps


OTHER = "{}"  # stands for every segment that neither pattern names; no literal holds braces


@st.composite
def patterns(draw):
    segment = st.sampled_from(["a", "b", "", "{*}"])
    head, tail = draw(st.lists(segment, max_size=4)), draw(st.lists(segment, max_size=3))
    return "/" + "/".join([*head, *draw(st.sampled_from([[], ["{**}"]])), *tail])


@given(patterns(), patterns())
@settings(max_examples=500, deadline=None)
def test_two_readings_of_the_patterns_agree(one, other):
    general, special = path.parse(one), path.parse(other)
    states = reached(one, other)
    assert precedence.covers(general, special) is all(() in first for first, second in states if () in second)
    assert precedence.overlaps(general, special) is any(
        () in first and () in second for first, second in states
    )


def reached(one, other):
    """Walks both patterns as automata over segments: all pairs of what may still have to be met."""
    segments = {*split(one), *split(other), "", OTHER} - {"{*}", "{**}"}
    start = frozenset({split(one)}), frozenset({split(other)})
    seen, ahead = {start}, [start]
    while ahead:
        here = ahead.pop()
        new = {(advance(here[0], segment), advance(here[1], segment)) for segment in segments} - seen
        seen |= new
        ahead += new
    return seen


def split(pattern):
    return tuple(pattern[1:].split("/"))


def advance(states, segment):
    return frozenset(after for remaining in states if remaining for after in step(remaining, segment))


def step(remaining, segment):
    """`{**}` takes one segment or more, empty ones too; `{*}` takes one that is not empty."""
    match remaining[0]:
        case "{**}":
            return remaining, remaining[1:]
        case "{*}":
            return (remaining[1:],) if segment else ()
        case literal:
            return (remaining[1:],) if segment == literal else ()
