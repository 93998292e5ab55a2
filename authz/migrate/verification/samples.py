"""Paths to try a rule with: some that its pattern matches, and what lies at their edges and just outside."""

import re
from collections.abc import Iterable, Iterator
from random import Random
from typing import Any
from urllib.parse import quote, unquote

from authz.core.path import Path
from authz.istio.pattern import UNRESERVED
from authz.migrate.old import matching
from authz.migrate.old.rule import Pattern

# Python's own reading of an expression; it has no public name.
from re import _constants as op  # type: ignore[attr-defined]  # isort: skip
from re import _parser  # type: ignore[attr-defined]  # isort: skip

INSIDE_MAX = 12  # paths of one pattern
TRIES = 60
REPEATS_MAX = 2  # beyond what a pattern asks for
PATH_MAX_LENGTH = 300

_unreserved = re.compile(UNRESERVED).sub
_LETTERS = "ab1/-_.~Zx"
_SAFE = "/:@!$&'()*+,;=-._~"  # what a path may hold as it is (RFC 3986 3.3)


def of(pattern: Pattern, random: Random) -> list[str]:
    """Of the pattern, as far as any could be found."""
    return list(dict.fromkeys(map(canonical, _inside(pattern, random))))[:INSIDE_MAX]


def around(paths: Iterable[str]) -> list[str]:
    """At their edges and just outside."""
    return list(dict.fromkeys(canonical(edge) for path in paths for edge in edges(path)))


def canonical(path: str) -> str:
    """As Istio's gateway normalizes it (BASE) before anything is decided, in the old world and in the new."""
    decoded = _unreserved(lambda escaped: unquote(escaped[0]), path)
    kept: list[str] = []
    *_, last = segments = decoded.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join([*kept, *([""] if last in (".", "..") else [])])


def of_template(path: Path) -> Iterator[str]:
    """Of a new rule's path: its wildcards filled in several ways."""
    for filler, rest in (("x", "x/y"), ("a.b", ""), ("1", "z")):
        yield canonical(str(path).replace("{**}", rest).replace("{*}", filler))


def edges(path: str) -> Iterator[str]:
    """Near a path: what a guard with another idea of it could let by."""
    yield from (
        path + "/",
        "/x" + path,
        path + "x",
        path + "/x",
        path[:-1] or "/",
        path + "//",
        path + "/a/b/c",
    )
    yield from (path.replace(sign, quote(sign, safe="")) for sign in "!$&'()*+,=:@" if sign in path)
    yield from (path + ";x", path + "%2Fx", path + "/%2E%2E/x", path + "%20", path + ".json", "/" + path)
    if path.count("/") > 1:
        head, _, tail = path.rpartition("/")
        yield from (head, f"{head}/", f"{head}//{tail}", f"{head}x/{tail}", f"{head}%2f{tail}")
    if path.lower() != path.upper():
        yield path.upper() if path != path.upper() else path.lower()


def _inside(pattern: Pattern, random: Random) -> Iterator[str]:
    try:
        tree = _parser.parse(matching.regex(pattern))
    except re.error:
        return
    for number in range(TRIES):
        made = "".join(_texts(tree, random, number == 0))
        path = quote(made, safe=_SAFE)
        if made.startswith("/") and len(path) <= PATH_MAX_LENGTH and matching.matches(pattern, path):
            yield path


def _texts(tree: Any, random: Random, is_shortest: bool) -> Iterator[str]:
    """One text that the expression matches; looking around is left to the comparison afterwards."""
    for kind, value in tree:
        if kind is op.LITERAL:
            yield chr(value)
        elif kind in (op.ANY, op.NOT_LITERAL):
            yield random.choice(_LETTERS)
        elif kind is op.IN:
            yield _one_of(value, random)
        elif kind is op.BRANCH:
            yield from _texts(value[1][0] if is_shortest else random.choice(value[1]), random, is_shortest)
        elif kind is op.SUBPATTERN:
            yield from _texts(value[-1], random, is_shortest)
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            least, most, inner = value
            times = least if is_shortest else random.randint(least, min(int(most), least + REPEATS_MAX))
            for _ in range(times):
                yield from _texts(inner, random, is_shortest)


def _one_of(members: Any, random: Random) -> str:
    allowed = [sign for sign in map(chr, range(0x21, 0x7F)) if _holds(members, sign)]
    return random.choice(allowed or ["x"])


def _holds(members: Any, sign: str) -> bool:
    found, negated = False, False
    for kind, value in members:
        if kind is op.NEGATE:
            negated = True
        elif kind is op.LITERAL:
            found |= chr(value) == sign
        elif kind is op.RANGE:
            found |= value[0] <= ord(sign) <= value[1]
        elif kind is op.CATEGORY:
            found |= bool(_CATEGORIES.get(value, re.compile("x")).match(sign))
    return found != negated


_CATEGORIES = {
    op.CATEGORY_DIGIT: re.compile(r"\d"),
    op.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    op.CATEGORY_WORD: re.compile(r"\w"),
    op.CATEGORY_NOT_WORD: re.compile(r"\W"),
    op.CATEGORY_SPACE: re.compile(r"\s"),
    op.CATEGORY_NOT_SPACE: re.compile(r"\S"),
}
