"""Paths to try a pattern with: some that it matches, and some that it only just does not.

Every state and every move of its automaton is gone through, so that each of its parts is tried.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from authz.core import path as paths
from authz.migrate.language import charset
from authz.migrate.language.automaton import Machine, texts

SPREAD = 3  # characters that are tried for one place: the plainest, and others far from it
LENGTH_MAX = 256  # characters of a path


@dataclass(frozen=True, slots=True)
class Witness:
    """`inside` is true if the pattern matches the path. No path is ambiguous."""

    path: str
    inside: bool


def witnesses(machine: Machine, count: int) -> tuple[Witness, ...]:
    """Inside and outside in turn, as long as there are both; each once."""
    within: list[Witness] = []
    without: list[Witness] = []
    for path in _plain(chain(_inside(machine), _around(within), _outside(machine), _around(without))):
        inside = bool(machine.reads(path))
        (within if inside else without).append(Witness(path, inside))
        if min(len(within), len(without)) >= count:
            break
    pairs = chain.from_iterable(zip_longest(within, without))
    return tuple(islice((one for one in pairs if one), count))


def _plain(found: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for path in found:
        if path not in seen and path.startswith("/") and len(path) <= LENGTH_MAX:
            seen.add(path)
            if not paths.is_ambiguous(path):
                yield path


def _inside(machine: Machine) -> Iterator[str]:
    begun, ends = _begun(machine), _ends(machine)
    yield from (text for state, text in begun.items() if machine.marks[state])
    for spread in range(SPREAD):
        for state, text in begun.items():
            for by, target in machine.moves[state]:
                yield text + _spread(by, spread) + ends[target]


def _spread(by: charset.Charset, place: int) -> str:
    """The plainest character, one from the middle, or the last."""
    found = charset.characters(by)
    return found[place * (len(found) - 1) // (SPREAD - 1)]


def _around(witnesses: list[Witness]) -> Iterator[str]:
    """What is close to one of these."""
    for path in [one.path for one in witnesses]:
        yield from (path + "/", path.removesuffix("/"), path[:-1], path + "x", path + "/x", path + "/x/y.z")
        yield from (path.rpartition("/")[0], path.replace("/", "/x", 1), path.replace("/", "x/"))
        yield from (path.swapcase(), "/x" + path)


def _outside(machine: Machine) -> Iterator[str]:
    """What leaves the pattern early."""
    yield "/"
    for state, text in _begun(machine).items():
        left = charset.ALL
        for by, _ in machine.moves[state]:
            left &= ~by
        yield from (text + _spread(left, spread) for spread in range(SPREAD if left else 0))


def _begun(machine: Machine) -> dict[int, str]:
    """For each state the shortest text that leads there."""
    return {state: text for text, _ in texts(machine) if (state := machine.after(text)) is not None}


def _ends(machine: Machine) -> dict[int, str]:
    """For each state the shortest text that leads from there to an end."""
    found = {state: "" for state, marks in enumerate(machine.marks) if marks}
    before: dict[int, list[tuple[charset.Charset, int]]] = {}
    for state, moves in enumerate(machine.moves):
        for by, target in moves:
            before.setdefault(target, []).append((by, state))
    waiting = list(found)
    for state in waiting:
        for by, source in before.get(state, ()):
            if source not in found:
                found[source] = charset.characters(by)[0] + found[state]
                waiting.append(source)
    return found
