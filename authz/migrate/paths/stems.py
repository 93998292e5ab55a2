"""The literal beginning of a pattern, `/orders` of `/orders|/orders/.*`, and what is left of it then.

Thousands of rules differ in it alone: with any other beginning what is left becomes the same templates.
"""

from itertools import takewhile

from authz.core import path as paths
from authz.migrate.language import build, charset
from authz.migrate.language.node import Choice, Node, One, Sequence
from authz.migrate.paths.words import VERSIONS

LENGTH_MAX = 128  # characters; with more of them, a template could become too long for one

_PLAIN = charset.WORD | charset.of("-/")  # nothing that could be ambiguous, or a wildcard


def split(node: Node) -> tuple[str, Node]:
    """The beginning, which may be nothing, and the rest."""
    options = node.options if isinstance(node, Choice) else (node,)
    stem = _cut(_common([_literal(option) for option in options]))
    if len(stem) < 2 or build.looks(node) or paths.is_ambiguous(stem):
        return "", node
    rest = tuple(_rest(option, len(stem)) for option in options)
    return stem, Choice(rest) if len(rest) > 1 else rest[0]


def stand_in(stem: str) -> str:
    """Another beginning that behaves alike: `/x/` for whole segments, and `x` for a begun one."""
    folder, begun = _taken_apart(stem)
    return ("/" if folder == "/" else "/x/") + ("x" if begun else "")


def instead(text: str, stem: str) -> str:
    """A path or template that was found with the stand-in, as it is with the stem.

    One that is wider begins in the same folder, and not like the stem.
    """
    if text.startswith(stand_in(stem)):
        return stem + text.removeprefix(stand_in(stem))
    folder, _ = _taken_apart(stem)
    return folder + text.removeprefix("/" if folder == "/" else "/x/")


def literal(text: str) -> Node:
    """That text alone."""
    return Sequence(tuple(One(charset.of(character)) for character in text))


def _taken_apart(stem: str) -> tuple[str, str]:
    folder, slash, begun = stem.rpartition("/")
    return folder + slash, begun


def _cut(common: str) -> str:
    """Without a `v` that digits may follow, for that is looked at."""
    stem = common[:LENGTH_MAX] if common.startswith("/") else ""
    return stem[:-1] if stem.rpartition("/")[2] in VERSIONS else stem


def _parts(node: Node) -> tuple[Node, ...]:
    return node.parts if isinstance(node, Sequence) else (node,)


def _literal(node: Node) -> str:
    """The plain characters that it begins with."""
    found = (part.charset if isinstance(part, One) else 0 for part in _parts(node))
    plain = takewhile(lambda one: one.bit_count() == 1 and one & _PLAIN, found)
    return "".join(map(charset.characters, plain))


def _common(texts: list[str]) -> str:
    """What all of them begin with: then the first and the last in order do."""
    pairs = zip(min(texts), max(texts), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _rest(node: Node, end: int) -> Node:
    left = _parts(node)[end:]
    return left[0] if len(left) == 1 else Sequence(left)
