"""Templates made of a pattern are what `core.path` takes them for, and never wider than the pattern."""

from functools import reduce

import re2
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

from authz.core import path as paths
from authz.migrate.language.node import Undecided
from authz.migrate.paths import comparison, patterns, stems
from authz.migrate.paths.comparison import Of

TEMPLATES = ["/*", "/{**}", "/", "/a", "/a/", "/a/{**}", "/{*}", "/a/{*}", "/{*}/b", "/a/{**}/b", "/{**}/a.b"]

# Of what rules are made of: segments, and the ends that authors give them.
SEGMENTS = [
    "/a",
    "/b",
    "/[^/]+",
    "/v[12]",
    "/[a-z]+",
    "/.*",
    "/(a|b)",
    r"/a\.b",
    "/a.*",
    "/[^/]*",
    "/v[0-9]+",
]
ENDS = ["", "", "/", "/?", "/.*", "(/.*)?", ".*", "(.*)", "/.+", "(/[^/]+)*", "/(.*/)?b"]

wholes = st.builds(lambda parts, end: "".join(parts) + end, st.lists(st.sampled_from(SEGMENTS), max_size=3),
                   st.sampled_from(ENDS))  # fmt: skip
regexes = st.lists(wholes, min_size=1, max_size=3).map("|".join)
texts = st.lists(st.sampled_from("aabbv1/./-%"), max_size=7).map(lambda parts: "/" + "".join(parts))


@given(st.lists(st.sampled_from(TEMPLATES), max_size=3), st.lists(texts, min_size=1))
def test_the_automaton_of_a_template_is_what_the_authorizer_matches(templates, candidates):
    machine = comparison.machine(stems.literal("/"), templates, decoded=False)
    for text in candidates:
        matched = any(paths.parse(template).matches(text) for template in templates)
        assert (Of.NEW in machine.reads(text)) == matched, text
        assert (Of.PLAIN in machine.reads(text)) != paths.is_ambiguous(text), text


@given(regexes, st.lists(texts, min_size=1, max_size=12))
@example("/foo(.*)", ["/foo", "/fooa", "/foo/a"])
@example("/a/v[0-9]+|/a", ["/a/v1", "/a"])
def test_templates_are_never_wider_than_the_pattern(pattern, candidates):
    converted, envoys = made(pattern), re2.compile(pattern)
    old = [bool(envoys.fullmatch(text)) for text in candidates]
    new = [taken(converted.templates, text) for text in candidates]
    for text, was, is_ in zip(candidates, old, new, strict=True):
        if not paths.is_ambiguous(text):
            assert was or not is_, text
            assert is_ or not was or not converted.exact, text
            assert taken(converted.wider, text) or not was or not converted.wider, text


@given(regexes)
def test_a_witness_shows_what_it_is_said_to(pattern):
    converted, envoys = made(pattern), re2.compile(pattern)
    difference = converted.difference
    for lost in filter(None, [difference.missing, difference.odd_missing]):
        assert envoys.fullmatch(lost)
        assert not taken(converted.templates, lost)
    for gained, templates in (
        (difference.odd_extra, converted.templates),
        (converted.wider_extra, converted.wider),
    ):
        if gained:
            assert not envoys.fullmatch(gained)
            assert taken(templates, gained)
    assert not paths.is_ambiguous(difference.missing or "/")
    assert paths.is_ambiguous(difference.odd_missing or "//")


@given(regexes, st.integers(0, 40))
def test_witnesses_are_inside_or_outside_as_they_say(pattern, count):
    envoys = re2.compile(pattern)
    found = patterns.witnesses(pattern, "regex", count)
    assert len(found) <= count
    assert len({one.path for one in found}) == len(found)
    for one in found:
        assert bool(envoys.fullmatch(one.path)) == one.inside
        assert not paths.is_ambiguous(one.path)


@given(regexes, st.sampled_from(["/orders", "/a/b", "/x-1/", "/v", "/api/v", "/a_b/v1/q"]))
@example("(.*)", "/a/b")
def test_a_stem_changes_nothing_but_itself(pattern, stem):
    """What is found with another stem in its place, and put back, is what is found with its own."""
    pattern = f"{stem}({pattern})"
    converted = made(pattern)
    difference = patterns.compare(pattern, "regex", converted.templates)
    assert (difference.missing is None, difference.extra) == (converted.missing is None, None)
    if converted.wider:
        wider = patterns.compare(pattern, "regex", converted.wider)
        assert wider.missing is None
        assert wider.extra


def made(pattern):
    try:
        return patterns.convert(pattern, "regex")
    except Undecided as undecided:
        assume("too large" in str(undecided))
        reject()


def taken(templates, text):
    return reduce(lambda found, one: found or bool(paths.parse(one).matches(text)), templates, False)
