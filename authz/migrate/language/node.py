"""What a pattern says, whichever syntax it is written in: the tree that regexes and globs are read into."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from authz.migrate.language.charset import Charset


class Undecided(ValueError):
    """The pattern is not one that can be compared for certain; the text says why."""


@dataclass(frozen=True, slots=True)
class One:
    """One character of these. Of none: nothing matches."""

    charset: Charset


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other. Of none: the empty text."""

    parts: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One or the other."""

    options: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """As often as that; `most` is None where there is no limit."""

    part: "Node"
    least: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What follows does, or does not, begin like `part`; nothing is taken."""

    part: "Node"
    wanted: bool


class Edge(Enum):
    """A place in the text."""

    START = auto()
    END = auto()


Node = One | Sequence | Choice | Repeat | Ahead | Edge

EMPTY = Sequence(())


def may_be_empty(node: Node) -> bool:
    """True if it can take no character."""
    match node:
        case One():
            return False
        case Sequence():
            return all(map(may_be_empty, node.parts))
        case Choice():
            return any(map(may_be_empty, node.options))
        case Repeat():
            return node.least == 0 or may_be_empty(node.part)
        case Ahead() | Edge():
            return True
        case _:
            assert_never(node)
