"""From a tree to states, backwards: what follows is built first, so that what looks ahead can see it."""

from typing import assert_never

from authz.migrate.language.automaton import Machine, Nfa, determined, trimmed
from authz.migrate.language.charset import ALL
from authz.migrate.language.node import EMPTY, Ahead, Choice, Edge, Node, One, Repeat, Sequence, Undecided

_ANYTHING = Repeat(One(ALL), 0, None)


def add(nfa: Nfa, node: Node, following: int) -> int:
    """The state in which the text that `node` takes begins, to go on at `following`. Raises Undecided."""
    return _add(nfa, node, following, first=True)


def machine(*nodes: Node) -> Machine:
    """Of each tree its language, marked by its place."""
    nfa = Nfa()
    return determined(nfa, [add(nfa, node, nfa.end(mark)) for mark, node in enumerate(nodes)])


def _add(nfa: Nfa, node: Node, following: int, *, first: bool) -> int:
    nfa.worked(1)
    match node:
        case One():
            return nfa.state(moves=[(node.charset, following)] if node.charset else [])
        case Sequence():
            return _sequence(nfa, node, following, first=first)
        case Choice():
            return nfa.state([_add(nfa, option, following, first=first) for option in node.options])
        case Repeat():
            return _repeat(nfa, node, following, first=first)
        case Ahead():
            return _ahead(nfa, node, following)
        case Edge():
            return _edge(nfa, node, following, first=first)
        case _:
            assert_never(node)


def _sequence(nfa: Nfa, node: Sequence, following: int, *, first: bool) -> int:
    firsts = []
    for part in node.parts:
        firsts.append(first)
        first = first and (isinstance(part, Edge | Ahead) or part == EMPTY)
    for part, is_first in zip(reversed(node.parts), reversed(firsts), strict=True):
        following = _add(nfa, part, following, first=is_first)
    return following


def _repeat(nfa: Nfa, node: Repeat, following: int, *, first: bool) -> int:
    if looks(node.part):
        return _looking(nfa, node, following, first=first)
    least, most = node.least, node.most
    if most is None:
        loop = nfa.state([following])
        nfa.free[loop].append(_add(nfa, node.part, loop, first=False))
        following = loop
    for _ in range((most or least) - least):
        following = nfa.state([following, _add(nfa, node.part, following, first=False)])
    for _ in range(least):
        following = _add(nfa, node.part, following, first=False)
    return following


def _looking(nfa: Nfa, node: Repeat, following: int, *, first: bool) -> int:
    """`(...)?` with a look in it is a choice; what is repeated more often can not be built backwards."""
    if (node.least, node.most) != (0, 1):
        raise Undecided("it repeats a group that looks ahead, or has ^ or $ in it")
    return nfa.state([following, _add(nfa, node.part, following, first=first)])


def looks(node: Node) -> bool:
    """True if what it takes depends on where it stands."""
    match node:
        case One():
            return False
        case Sequence():
            return any(map(looks, node.parts))
        case Choice():
            return any(map(looks, node.options))
        case Repeat():
            return looks(node.part)
        case _:
            return True


def _edge(nfa: Nfa, node: Edge, following: int, *, first: bool) -> int:
    if node is Edge.END:  # only the empty text may follow
        return nfa.state([state for state in nfa.closure([following]) if state in nfa.marks])
    if not first:
        raise Undecided("it has a ^ that is not at its beginning")
    return following


def _ahead(nfa: Nfa, node: Ahead, following: int) -> int:
    """What may follow is narrowed to what begins like `part`, or does not."""
    sought = -1 - len(nfa.marks)
    looked = _add(nfa, Sequence((node.part, _ANYTHING)), nfa.end(sought), first=False)
    both = determined(nfa, [following, looked])
    kept = [marks if (sought in marks) == node.wanted else frozenset() for marks in both.marks]
    marks = tuple(each - {sought} for each in kept)
    return embedded(nfa, trimmed(Machine(both.moves, marks)))


def embedded(nfa: Nfa, machine: Machine) -> int:
    """The state in which a text of the machine begins; it ends at the ends of its marks."""
    ends = {mark: state for state, mark in nfa.marks.items()}
    states = [nfa.state() for _ in machine.moves]
    for state, moves, marks in zip(states, machine.moves, machine.marks, strict=True):
        nfa.moves[state] += [(charset, states[target]) for charset, target in moves]
        nfa.free[state] += [ends[mark] for mark in marks]
    return states[0]
