"""Old path patterns become path templates that match the same paths, or it is said which they do not."""

from operator import itemgetter

import pytest

from authz.migrate.language import budget
from authz.migrate.old.rule import Strategy
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Undecided

ENVOY: Strategy = "regex"
REGEXP: Strategy = "oathkeeper"
GLOB: Strategy = "glob"

EXACT = [
    ("/.*", ENVOY, ["/*"]),
    (".*", ENVOY, ["/*"]),
    ("/(.*)", ENVOY, ["/*"]),
    ("/?.*", ENVOY, ["/*"]),
    ("/", ENVOY, ["/"]),
    ("/a|/a/.*", ENVOY, ["/a", "/a/{**}"]),
    ("/orders|/orders/.*", ENVOY, ["/orders", "/orders/{**}"]),
    ("/foo(/.*)?", ENVOY, ["/foo", "/foo/{**}"]),
    ("/foo/?", ENVOY, ["/foo", "/foo/"]),
    ("/foo/?(?:/.*)?", ENVOY, ["/foo", "/foo/{**}"]),
    ("^/foo/.*$", ENVOY, ["/foo/{**}"]),
    ("/(a|b)/c", ENVOY, ["/a/c", "/b/c"]),
    ("/v[12]/x", ENVOY, ["/v1/x", "/v2/x"]),
    (r"/a\.b", ENVOY, ["/a.b"]),
    ("/a;b", ENVOY, ["/a;b"]),
    ("/api/v1/.*/items", ENVOY, ["/api/v1/{**}/items"]),
    ("/a/.*/(foo|ba)", ENVOY, ["/a/{**}/ba", "/a/{**}/foo"]),
    ("/a/(.*/)?b", ENVOY, ["/a/b", "/a/{**}/b"]),
    ("/a/.*/", ENVOY, ["/a/{**}/"]),
    ("/a/.*/b/c", ENVOY, ["/a/{**}/b/c"]),
    ("/a/.+", ENVOY, ["/a/{*}", "/a/{*}/{**}"]),
    ("/a/[^/]+", ENVOY, ["/a/{*}"]),
    ("/a/[^/]*", ENVOY, ["/a/", "/a/{*}"]),
    ("/a/[^/]+/b/[^/]+?", ENVOY, ["/a/{*}/b/{*}"]),
    ("/x/[^/]*/y", ENVOY, ["/x/{*}/y"]),
    ("/a/([^/]+/)?b", ENVOY, ["/a/b", "/a/{*}/b"]),
    ("/*", ENVOY, ["/"]),
    (r"/\{\*\}/a|/b", ENVOY, ["/b"]),
    ("/([^/]+/)*[^/]*", ENVOY, ["/*"]),
    ("a", ENVOY, []),
    ("/<.*>", REGEXP, ["/*"]),
    ("</.*>", REGEXP, ["/*"]),
    ("/a/<[^/]+>/b", REGEXP, ["/a/{*}/b"]),
    ("/a/<[a-zA-Z0-9._~!$&'()*+,=:@-]+>", REGEXP, ["/a/{*}"]),
    ("/a.b/<(?<name>x|y)>", REGEXP, ["/a.b/x", "/a.b/y"]),
    ("/<(?i)ab>", REGEXP, ["/ab", "/aB", "/Ab", "/AB"]),
    ("/<**>", GLOB, ["/*"]),
    ("/a/<{b,c}>/<**>", GLOB, ["/a/b/{**}", "/a/c/{**}"]),
]


@pytest.mark.parametrize(("pattern", "strategy", "templates"), EXACT)
def test_templates_match_the_same_paths(pattern, strategy, templates):
    converted = patterns.convert(pattern, strategy)
    assert converted.exact
    assert list(converted.templates) == templates


def test_a_difference_among_ambiguous_paths_is_told_apart():
    converted = patterns.convert("/a/[^;]+", ENVOY)
    assert converted.exact
    assert converted.difference.odd_extra == "/a/;"


LOSSY = [
    ("/foo(.*)", ENVOY, ["/foo", "/foo/{**}"], "/fooa", ["/{*}", "/{*}/{**}"], "/a"),
    ("/a(.*)", ENVOY, ["/a", "/a/{**}"], "/aa", ["/{*}", "/{*}/{**}"], "/b"),
    (r"/\*", ENVOY, [], "/*", ["/{*}"], "/a"),
    ("/[%-+]", ENVOY, ["/&", "/'", "/(", "/)", "/+"], "/*", ["/{*}"], "/a"),
    ("/foo.*", ENVOY, ["/foo", "/foo/{**}"], "/fooa", ["/{*}", "/{*}/{**}"], "/a"),
    ("/v[0-9]+/x", ENVOY, [f"/v{digit}/x" for digit in range(10)], "/v00/x", ["/{*}/x"], "/a/x"),
    ("/users/[0-9]+", ENVOY, [], "/users/0", ["/users/{*}"], "/users/a"),
    ("/(me|[0-9a-f]{8})", ENVOY, ["/me"], "/aaaaaaaa", ["/{*}"], "/a"),
    (r"/static/.*\.js", ENVOY, [], "/static/.js", ["/static/{**}"], "/static/"),
    ("(/[^/]+)+", ENVOY, ["/{*}", "/{*}/{*}"], "/a/a/a", ["/{*}", "/{*}/{**}"], "/a/"),
    ("/<(?!admin).*>", REGEXP, ["/"], "/a", ["/*"], "/admin"),
    ("/api/<(?!internal(/.*)?$).*>", REGEXP, ["/api/"], "/api/a", ["/api/{**}"], "/api/internal"),
    ("/a*b", GLOB, [], "/a*b", ["/{*}"], "/a"),
    ("/<*>", GLOB, ["/"], "/a", ["/", "/{*}"], "/a."),
]


@pytest.mark.parametrize("row", LOSSY, ids=itemgetter(0))
def test_what_templates_can_not_say_is_narrowed_and_shown(row):
    pattern, strategy, *expected = row
    found = patterns.convert(pattern, strategy)
    assert not found.exact
    assert [list(found.templates), found.difference.missing] == expected[:2]
    assert [list(found.wider), found.wider_extra] == expected[2:]
    assert found.difference.extra is None


@pytest.mark.parametrize(
    ("pattern", "new", "missing", "extra"),
    [
        ("/a.*", ["/a", "/a/{**}"], "/aa", None),
        ("/a", ["/{*}"], None, "/b"),
        ("/a/.*", ["/b/{**}"], "/a/", "/b/"),
        ("/a/.*", ["/a/{*}"], "/a/", None),
        ("/a/.*/b", ["/a/{**}/b"], None, None),
        ("/a", [], "/a", None),
    ],
)
def test_a_difference_is_shown_by_the_shortest_paths(pattern, new, missing, extra):
    difference = patterns.compare(pattern, ENVOY, new)
    assert (difference.missing, difference.extra) == (missing, extra)


def test_a_pattern_that_no_path_matches_has_no_paths():
    pattern = ".*\x02"
    assert patterns.convert(pattern, ENVOY).templates == ()
    assert {one.inside for one in patterns.witnesses(pattern, ENVOY, 10)} == {False}


@pytest.mark.parametrize(
    ("one", "other", "witness"),
    [
        (("/a/.*", ENVOY), ("/.*/b", ENVOY), "/a/b"),
        (("/a", ENVOY), ("/b", ENVOY), None),
        (("/a/<.*>", REGEXP), ("/a/<*>", GLOB), "/a/"),
    ],
)
def test_two_patterns_overlap_where_a_path_matches_both(one, other, witness):
    assert patterns.overlap(one, other) == witness


@pytest.mark.parametrize("pattern", ["/<a", "/a>", "/é", "/<é>", "/<(>"])
def test_a_url_whose_brackets_hold_no_pattern_is_undecided(pattern):
    with pytest.raises(Undecided):
        patterns.convert(pattern, REGEXP)


@pytest.mark.parametrize("pattern", ["/" + "[ab]?/?" * 40, "/" + "[ab]?/?" * 80, "/.*a.{40}", "/.*a.{400}"])
def test_what_a_pattern_may_cost_has_an_end(pattern):
    """Each takes minutes otherwise. The second time it is remembered."""
    for _ in range(2):
        with pytest.raises(Undecided, match="too l"):
            patterns.convert(pattern, ENVOY)


def test_rules_beside_each_other_have_an_end_too():
    with budget.limited(100), pytest.raises(Undecided, match="too long to compare"):
        patterns.overlap(("/.*(a|b)+/x", ENVOY), ("/.*(c|d)+/x", ENVOY))
