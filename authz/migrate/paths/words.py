"""The literal segments that a language has at a place: those it lists, and those that it goes on from.

`/foo(.*)` has `foo`: what comes then may be anything, and `foo` itself is the one word that its author wrote.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from authz.migrate.language import budget, charset
from authz.migrate.language.automaton import Machine, States, parted

BREADTH_MAX = 16  # words of one shape, such as v[0-9]; more is not a list that anybody would write
OPEN_MIN = 64  # characters that may come next: then those that may not are exceptions, and no words
NODES_MAX = 200  # sets of states looked at: a segment of a pattern has a few dozen
STEPS_MAX = 1_000  # words and beginnings of words looked at

# What a template can have as itself (`istio.pattern`): `*` as a word would be a wildcard.
LITERAL = charset.WORD | charset.of("-.~!$&'()+,;=:@%")
_INSIDE = charset.ALL & ~charset.SLASH
VERSIONS = {"v", "V"}  # `v[0-9]+`: it is known what these digits are


@dataclass
class Words:
    """Each word that begins in `start`, with the states it leads to. The empty word is none.

    `complete` if there are no more. A word never leads to one of the `lost` states. `eager` takes words even
    where nearly any other character may stand too: `([^/]+/)?b` has a `b`, but then `(?!foo).*` has an `f`.
    """

    machine: Machine
    start: States
    lost: States = frozenset()
    eager: bool = False
    complete: bool = True
    endless: set[States] = field(default_factory=set)
    found: list[tuple[str, States]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look them all up."""
        self._graph: dict[States, list[tuple[charset.Charset, States]]] = {}
        self._explore()
        self.endless = {node for node in self._graph if self._returns(node)}
        self.complete = self.complete and not self.endless
        self._walk()

    def _explore(self) -> None:
        waiting = [self.start]
        while waiting:
            here = waiting.pop()
            if here in self._graph:
                continue
            if len(self._graph) == NODES_MAX:
                self.complete = False
                return
            self._graph[here] = list(self._moves(here))
            waiting += [target for _, target in self._graph[here]]

    def _moves(self, here: States) -> Iterator[tuple[charset.Charset, States]]:
        moves = [(by & _INSIDE, to) for state in here for by, to in self.machine.moves[state] if by & _INSIDE]
        budget.spend(1 + len(moves))
        for by, targets in parted(moves):
            if self.lost.isdisjoint(targets):
                yield by, frozenset(targets)

    def _returns(self, node: States) -> bool:
        """True if it is on a loop."""
        seen: set[States] = set()
        waiting = [target for _, target in self._graph[node]]
        while waiting:
            here = waiting.pop()
            if here == node:
                return True
            budget.spend(1)
            if here not in seen:
                seen.add(here)
                waiting += [target for _, target in self._graph.get(here, ())]
        return False

    def _walk(self) -> None:
        waiting = [("", 1, self.start)]
        for _ in range(STEPS_MAX):
            if not waiting:
                return
            budget.spend(1)
            word, breadth, node = waiting.pop()
            self.found += [(word, node)] if word else []
            if node not in self.endless:
                waiting += reversed(list(self._longer(word, breadth, node)))
        self.complete = False

    def _longer(self, word: str, breadth: int, node: States) -> Iterator[tuple[str, int, States]]:
        moves = self._graph.get(node, ())
        if not self.eager and any(by.bit_count() >= OPEN_MIN for by, _ in moves):
            self.complete = False
            return
        for by, target in moves:
            characters = charset.characters(by & LITERAL)
            self.complete = self.complete and not by & ~LITERAL
            broad = breadth * len(characters)
            listed = target not in self.endless or len(characters) == 1 or word in VERSIONS
            if listed and broad <= BREADTH_MAX:
                yield from ((word + character, broad, target) for character in characters)
            else:
                self.complete = False
