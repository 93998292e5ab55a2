"""What a pattern matches, and which paths mean two things."""

import re
import string

import pytest

from authz.core import path
from authz.core.path import Kind

PATTERNS = [
    # pattern, kind, text, printed
    ("/", Kind.EXACT, "/", "/"),
    ("/a.b/", Kind.EXACT, "/a.b/", "/a.b/"),
    ("/*", Kind.PREFIX, "/", "/{**}"),
    ("/{**}", Kind.PREFIX, "/", "/{**}"),
    ("/a/{**}", Kind.PREFIX, "/a/", "/a/{**}"),
    ("/{*}", Kind.TEMPLATE, "/{*}", "/{*}"),
    ("/{**}/a", Kind.TEMPLATE, "/{**}/a", "/{**}/a"),
    ("/{*}/{**}", Kind.TEMPLATE, "/{*}/{**}", "/{*}/{**}"),
]


@pytest.mark.parametrize(("pattern", "kind", "text", "printed"), PATTERNS)
def test_a_pattern_is_of_the_cheapest_kind_that_says_it(pattern, kind, text, printed):
    parsed = path.parse(pattern)
    assert (parsed.kind, parsed.text, str(parsed)) == (kind, text, printed)


MATCHES = [
    ("/a", "/a", True),
    ("/a", "/a/", False),
    ("/a", "/A", False),
    ("/a.b", "/axb", False),
    ("/a/{**}", "/a/", True),
    ("/a/{**}", "/a", False),
    ("/a/{**}", "/a/b//[c]", True),
    ("/*", "/", True),
    ("/{*}", "/", False),
    ("/{*}", "/a", True),
    ("/{*}", "/a/", False),
    ("/{*}", "/[a]", False),
    ("/{*}", "/*", True),
    ("/a.b/{*}", "/axb/c", False),
    ("/{*}/{**}", "/a/", True),
    ("/{*}/{**}", "/a/b/c", True),
    ("/{**}/z", "/z", False),
    ("/{**}/z", "//z", True),
    ("/{**}/z", "/a/b/z", True),
    ("/{**}/z", "/a\n/z", False),
]


@pytest.mark.parametrize(("pattern", "request_path", "expected"), MATCHES)
def test_a_pattern_matches_as_a_whole(pattern, request_path, expected):
    assert bool(path.parse(pattern).matches(request_path)) is expected


@pytest.mark.parametrize(("pattern", "request_path", "expected"), MATCHES)
def test_the_regular_expression_says_the_same(pattern, request_path, expected):
    assert bool(re.fullmatch(path.parse(pattern).regex, request_path)) is expected


PLAIN = set(string.ascii_letters + string.digits + "-._~!$&'()*+,=:@/")


def test_characters_outside_the_alphabet_of_paths_are_ambiguous():
    letters = [*map(chr, range(128)), "é", "\u2028"]
    assert {one for one in letters if path.is_ambiguous(f"/a{one}b")} == set(letters) - PLAIN


def test_escapes_of_what_structures_a_path_are_ambiguous():
    for escaped in ("%02X", "%02x"):
        ambiguous = {chr(code) for code in range(256) if path.is_ambiguous(f"/a%{escaped % code}b")}
        assert ambiguous == set("/\\.%\0")


@pytest.mark.parametrize(
    "text",
    [
        "/..",
        "/.",
        "/a/..",
        "/a/./b",
        "/a/../b",
        "//",
        "/a//b",
        "/a//",
        "/%",
        "/%4",
        "/%4g",
        "/%g4",
        "/%%41",
        "/%2%66",
        "/a%2",
    ],
)
def test_empty_segments_and_broken_escapes_are_ambiguous(text):
    assert path.is_ambiguous(text)


@pytest.mark.parametrize(
    "text", ["/", "/a/", "/a%20b", "/%41", "/a:b@c", "/...", "/a.", "/.a/..b", "/a/...", "/a../"]
)
def test_other_paths_are_not(text):
    assert not path.is_ambiguous(text)
