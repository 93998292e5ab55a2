"""Old patterns are understood as the engines that match them do, or not at all."""

import re
from contextlib import suppress
from time import process_time

import pytest
import re2
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st

from authz.migrate.language import build, glob, regex
from authz.migrate.language.charset import ALL, characters
from authz.migrate.language.node import Undecided
from authz.migrate.language.regex import Dialect

LETTERS = "ab/v1.-_"

PLAIN = ["a", "b", "v", "/", r"\.", ".", "1", "-", "_"]
CLASSES = ["[ab]", "[^/]", "[a-c1]", r"\d", r"\w", "[a-]", "[^ab/]", r"[\w-]", "[[:alpha:]]", "(?i:a)"]

atoms = st.sampled_from(PLAIN + CLASSES)
counts = st.sampled_from(["", "", "", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{1,}", "{0}"])


def grouped(parts):
    return st.builds("({}){}".format, parts, counts)


def joined(parts):
    sequences = st.lists(parts, max_size=4).map("".join)
    return st.lists(sequences, min_size=1, max_size=3).map("|".join)


regexes = joined(
    st.recursive(st.builds("{}{}".format, atoms, counts), lambda parts: grouped(joined(parts)), max_leaves=8)
)
texts = st.text(LETTERS, max_size=8)


def made(pattern, dialect):
    try:
        return build.machine(regex.parse(pattern, dialect))
    except Undecided as undecided:
        assume("too large" in str(undecided))
        reject()


@given(regexes, st.lists(texts, min_size=1, max_size=8))
@example("(a|aa)+$", ["aaa"])
@example("^/a|b", ["/a", "b", "/ab"])
@example("", ["", "a"])
@example("|a", ["", "a", "aa"])
def test_re2_and_the_automaton_take_the_same_texts(pattern, candidates):
    machine = made(pattern, Dialect.RE2)
    envoys = re2.compile(pattern)
    for text in candidates:
        assert bool(machine.reads(text)) == bool(envoys.fullmatch(text)), text


def looking(parts):
    """With what only regexp2 has; Python's engine reads it alike."""
    ahead = st.builds("(?{}{})".format, st.sampled_from(["=", "!"]), joined(parts))
    return st.builds("({}|{}{}){}".format, parts, ahead, parts, st.sampled_from(["", "?"]))


lookers = joined(st.recursive(st.builds("{}{}".format, atoms, counts), looking, max_leaves=6)).filter(
    lambda pattern: "[[:" not in pattern
)


@given(lookers, st.lists(texts, min_size=1, max_size=8))
@example("/(?!foo).*", ["/foo", "/fo", "/bar", "/foobar"])
@example("/a(?!/b$).*", ["/a/b", "/a/b/c", "/a"])
@example("(?=.*b)a.*(?!.)", ["ab", "aa"])
def test_python_and_the_automaton_look_ahead_alike(pattern, candidates):
    machine = made(pattern, Dialect.REGEXP2)
    for text in candidates:
        assert bool(machine.reads(text)) == bool(re.fullmatch(pattern, text)), text


def test_only_characters_of_a_path_are_looked_at():
    assert set(characters(ALL)) == {chr(code) for code in range(0x21, 0x7F)} - set("?#")


@pytest.mark.parametrize(
    "pattern",
    [
        "(", ")", "a)", "[", "[]", "a**", "a++", "a{2}{2}", "*", "+a", "a{", "a{,2}", "a{x}", "a{2,1}",
        "a{1001}", "{2}", "^*", r"\b", r"\1", r"\pL", r"\x41", r"\Qa\E", "\\", "[a-\\d]", "[\\d-a]", "[z-a]",
        "[a-b-c]", "[[a]", "[[:nope:]]", "(?<=a)", "(?<!a)", "(?x)a", "(?a", "(?i", "(?P<x", "(?#x)", "(?>a)",
        "(?<1>a)", "(?<n;>a)", "(?<n>a)(?<n>b)", "(?i-)a", "(?)a", "(?--i)a", "(?i)?a", "(?-)", "é", "[é]",
        "\\é", "a^", "(a$)*", "(^a)+", "(" * 41 + ")" * 41, "a" * 2_049,
    ],
)  # fmt: skip
@pytest.mark.parametrize("dialect", Dialect)
def test_what_is_not_understood_to_the_letter_is_undecided(pattern, dialect):
    with pytest.raises(Undecided):
        build.machine(regex.parse(pattern, dialect))


@pytest.mark.parametrize(
    ("pattern", "dialect"),
    [
        ("(?!a)b", Dialect.RE2),
        ("(?=a)a", Dialect.RE2),
        (r"a\_b", Dialect.REGEXP2),
        ("((?!a)b)*", Dialect.REGEXP2),
    ],
)
def test_what_one_engine_refuses_is_undecided(pattern, dialect):
    with pytest.raises(Undecided):
        build.machine(regex.parse(pattern, dialect))


@pytest.mark.parametrize(
    "pattern",
    [
        "(a|aa)+" * 20,
        "((((a+)+)+)+)+b",
        ".*a.{20}",
        "(a{1000}){1000}",
        "(((){1000}){1000}){1000}",
        "(((.*a)*b)*c)*.{0,9}x.{9}",
        "(a?){500}a{500}",
        "(.*a){40}(.*b){40}",
        "(?!.*a)(?!.*b)" * 70,
        "|".join("ab" * count for count in range(40)),
    ],
)
def test_no_pattern_takes_long(pattern):
    """A limit of work, and no clock, decides: the time here only shows that the limit is a low one."""
    began = process_time()
    with suppress(Undecided):
        build.machine(regex.parse(pattern, Dialect.REGEXP2))
    assert process_time() - began < 5


GLOBS = [
    ("/a*", ["/a", "/abc"], ["/a/b", "/a.b"]),
    ("/a**", ["/a", "/a/b.c"], ["/b"]),
    ("/a?", ["/ab"], ["/a", "/a/", "/a."]),
    ("/[a-c]", ["/b"], ["/d", "/ab"]),
    ("/[!a-c]", ["/d", "//"], ["/a"]),
    ("/[ab]", ["/a", "/b"], ["/c"]),
    ("/[!ab]", ["/c", "/."], ["/a"]),
    ("/{a,b,c/d}", ["/a", "/b", "/c/d"], ["/c", "/a,b"]),
    ("/a}", ["/a}"], ["/a"]),
    (r"/\*\{", ["/*{"], ["/a{"]),
    ("/a,b", ["/a,b"], ["/a"]),
    ("/a^b", ["/a^b"], []),
]


@pytest.mark.parametrize(("pattern", "inside", "outside"), GLOBS)
def test_a_glob_takes_what_gobwas_takes(pattern, inside, outside):
    machine = build.machine(glob.parse(pattern))
    assert [text for text in inside + outside if machine.reads(text)] == inside


@pytest.mark.parametrize(
    "pattern", ["{", "{a", "[", "[]", "[]a]", "[!]", "[a-cx]", "[c-a]", "\\", "[a", "é", "[é]", "[a-é]"]
)
def test_a_glob_that_is_none_is_undecided(pattern):
    with pytest.raises(Undecided):
        glob.parse(pattern)
