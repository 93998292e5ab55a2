"""Finite automata: several languages side by side in one machine, so that they can be compared.

The machine is deterministic, made from trees by way of a nondeterministic one. Its states carry *marks*: the
languages of which the text so far is one. Tenants write the patterns, hence the limits on all work.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from authz.migrate.language import budget, charset
from authz.migrate.language.charset import Charset
from authz.migrate.language.node import Undecided

STATES_MAX = 4_096  # of the nondeterministic automaton: some KiB of pattern
WORK_MAX = 200_000  # states visited while it is made deterministic: some tenths of a second

Move = tuple[Charset, int]
States = frozenset[int]
Marks = frozenset[int]


class Nfa:
    """States and what leads from one to another, made backwards: a state knows what follows it."""

    def __init__(self) -> None:
        """Without a state."""
        self.free: list[list[int]] = []
        self.moves: list[list[Move]] = []
        self.marks: dict[int, int] = {}
        self._work = 0

    def state(self, free: Iterable[int] = (), moves: Iterable[Move] = ()) -> int:
        """A new one. `free` are those that it is as well. Raises Undecided if there are too many."""
        if len(self.free) >= STATES_MAX:
            raise Undecided(f"the pattern is too large: its automaton has more than {STATES_MAX:,} states")
        self.free.append(list(free))
        self.moves.append(list(moves))
        return len(self.free) - 1

    def end(self, mark: int) -> int:
        """Where a text of that language ends."""
        state = self.state()
        self.marks[state] = mark
        return state

    def worked(self, steps: int) -> None:
        """Raises Undecided if it was too much."""
        self._work += steps
        budget.spend(steps)
        if self._work > WORK_MAX:
            raise Undecided("the pattern is too large: its automaton takes too long to make")

    def closure(self, states: Iterable[int]) -> frozenset[int]:
        """These and all that they are as well."""
        found = set(states)
        waiting = list(found)
        while waiting:
            for state in self.free[waiting.pop()]:
                if state not in found:
                    found.add(state)
                    waiting.append(state)
        budget.spend(len(found))
        return frozenset(found)


@dataclass(frozen=True)
class Machine:
    """Deterministic; it begins in state 0. A character that no move takes leads out of every language."""

    moves: tuple[tuple[Move, ...], ...]
    marks: tuple[Marks, ...]

    def after(self, text: str, state: int | None = 0) -> int | None:
        """The state that the text leads to."""
        for character in text:
            if state is None:
                return None
            bit = 1 << ord(character)
            state = next((target for moving, target in self.moves[state] if moving & bit), None)
        return state

    def reads(self, text: str) -> Marks:
        """The languages that the text is one of."""
        state = self.after(text)
        return frozenset() if state is None else self.marks[state]

    @cached_property
    def hopes(self) -> tuple[Marks, ...]:
        """For each state the marks that can still be reached."""
        before: list[list[int]] = [[] for _ in self.moves]
        for state, moves in enumerate(self.moves):
            for _, target in moves:
                before[target].append(state)
        found = [set(marks) for marks in self.marks]
        waiting = [state for state, marks in enumerate(found) if marks]
        while waiting:
            state = waiting.pop()
            for source in before[state]:
                if not found[state] <= found[source]:
                    found[source] |= found[state]
                    waiting.append(source)
        return tuple(map(frozenset, found))


def determined(nfa: Nfa, starts: Iterable[int]) -> Machine:
    """The same languages. Raises Undecided if it takes too much work."""
    first = nfa.closure(starts)
    known = {first: 0}
    order = [first]
    moves: list[tuple[Move, ...]] = []
    closures: dict[tuple[int, ...], States] = {}
    while len(moves) < len(order):
        here = order[len(moves)]
        row: dict[int, Charset] = {}
        for moving, targets in parted([move for state in here for move in nfa.moves[state]]):
            nfa.worked(len(here))
            if (there := closures.get(targets)) is None:
                there = closures[targets] = nfa.closure(targets)
            if there not in known:
                known[there] = len(order)
                order.append(there)
            row[known[there]] = row.get(known[there], 0) | moving
        moves.append(tuple((moving, target) for target, moving in row.items()))
    marks = tuple(frozenset(nfa.marks[s] for s in states if s in nfa.marks) for states in order)
    return trimmed(Machine(tuple(moves), marks))


def trimmed(machine: Machine) -> Machine:
    """Without the states that end nowhere."""
    return reduced(machine, list(map(bool, machine.hopes)))


def reduced(machine: Machine, kept: Sequence[bool]) -> Machine:
    """With these states only, and the first."""
    if all(kept):
        return machine
    states = [0, *(state for state, is_kept in enumerate(kept) if is_kept and state)]
    at = {state: index for index, state in enumerate(states) if kept[state]}
    moves = (
        tuple((by, at[target]) for by, target in machine.moves[state] if target in at) for state in states
    )
    return Machine(tuple(moves), tuple(machine.marks[state] for state in states))


def reached(machine: Machine, states: States, by: Charset) -> States:
    """By one character of these."""
    budget.spend(1 + sum(len(machine.moves[state]) for state in states))
    return frozenset(target for state in states for moving, target in machine.moves[state] if moving & by)


def beyond(machine: Machine, states: States, by: Charset) -> States:
    """By any number of them, or none."""
    found = waiting = states
    while waiting:
        waiting = reached(machine, waiting, by) - found
        found |= waiting
    return found


def backwards(machine: Machine, ends: Iterable[int]) -> Machine:
    """The texts that lead to these states, read from their ends."""
    nfa = Nfa()
    states = [nfa.state() for _ in machine.moves]
    for source, moves in enumerate(machine.moves):
        for by, target in moves:
            nfa.moves[states[target]].append((by, states[source]))
    nfa.marks[states[0]] = 0
    return determined(nfa, [states[end] for end in ends])


def parted(moves: Sequence[Move]) -> Iterator[tuple[Charset, tuple[int, ...]]]:
    """Sets of characters that do not overlap, each with all that it leads to."""
    parts: list[Charset] = []
    for moving in {moving for moving, _ in moves}:
        rest, finer = moving, []
        for part in parts:
            finer += [half for half in (part & rest, part & ~rest) if half]
            rest &= ~part
        parts = [*finer, rest] if rest else finer
    for part in parts:
        yield part, tuple(target for moving, target in moves if moving & part)


def texts(machine: Machine, begin: str = "") -> Iterator[tuple[str, Marks]]:
    """For each state the shortest text that leads there, shorter ones first, plain ones before others."""
    first = machine.after(begin)
    if first is None:
        return
    found = {first: begin}
    waiting = [first]
    for state in waiting:
        budget.spend(1 + len(machine.moves[state]))
        yield found[state], machine.marks[state]
        for plainness, target in sorted((charset.plainness(by), to) for by, to in machine.moves[state]):
            if target not in found:
                found[target] = found[state] + charset.PREFERRED[plainness]
                waiting.append(target)
