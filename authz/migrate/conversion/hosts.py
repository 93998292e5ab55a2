"""The hosts of an Oathkeeper's rule, which may be a pattern, as those of an APIRule: a list, or a wildcard.

Only names that a host can have are looked at, in lower case and without a port: Envoy leaves ports aside.
"""

from dataclasses import dataclass
from functools import lru_cache

from authz.istio import syntax
from authz.migrate.language import automaton, budget, build, charset, regex
from authz.migrate.language.automaton import Machine, Nfa, States
from authz.migrate.language.node import Undecided
from authz.migrate.old.rule import Pattern
from authz.migrate.paths import meaning, patterns
from authz.migrate.paths.words import Words

HOSTS_MAX = 50  # more is no list that a person would read
PATTERNS_MAX = 1_024  # remembered

_LABEL = "[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME = regex.parse(rf"(?:{_LABEL}\.)*{_LABEL}", regex.Dialect.RE2)
_OLD, _NEW = 0, 1


@dataclass(frozen=True, slots=True)
class Hosts:
    """`names` are the same hosts. Where there are none, `missing` is one of the pattern's.

    `wider` is then a wildcard that takes them in, if there is one, and `wider_extra` besides.
    """

    names: tuple[str, ...] = ()
    missing: str | None = None
    wider: str | None = None
    wider_extra: str | None = None


@lru_cache(PATTERNS_MAX)
def convert(pattern: Pattern) -> Hosts:
    """Raises Undecided."""
    with budget.limited(budget.PATTERN_MAX):
        return _converted(pattern)


def may_be(host: str, pattern: Pattern) -> bool:
    """True if the host is one of the pattern's, as far as can be told; of a wildcard, one below it."""
    name = host.replace("*", "x", 1)
    if "<" in name or not name.endswith(pattern.text.rpartition(">")[2]):  # what stands behind is plain
        return False
    try:
        return patterns.matches(pattern.text, pattern.strategy, name)
    except Undecided:
        return True


def _converted(pattern: Pattern) -> Hosts:
    machine = _names(build.machine(meaning.possible(pattern.text, pattern.strategy)))
    found = Words(machine, frozenset({0}))
    listed = tuple(word for word, place in found.found if any(machine.marks[state] for state in place))
    if found.complete and len(listed) <= HOSTS_MAX and all(map(_is_host, listed)):
        return Hosts(listed)
    return _wildcard(machine)


def _names(machine: Machine) -> Machine:
    """Those of its texts that are names, and those that are names with a port."""
    marks = [{_OLD} if _ends(machine, state) else set() for state in range(len(machine.moves))]
    nfa = Nfa()
    ends = nfa.end(_OLD), nfa.end(_NEW)
    ported = Machine(machine.moves, tuple(map(frozenset, marks)))
    both = automaton.determined(nfa, [build.embedded(nfa, ported), build.add(nfa, _NAME, ends[_NEW])])
    kept = (frozenset({_OLD}) if len(marks) == 2 else frozenset[int]() for marks in both.marks)
    return automaton.trimmed(Machine(both.moves, tuple(kept)))


def _ends(machine: Machine, state: int) -> bool:
    begun = automaton.reached(machine, frozenset({state}), charset.of(":"))
    digits = automaton.beyond(machine, automaton.reached(machine, begun, charset.DIGIT), charset.DIGIT)
    return any(machine.marks[end] for end in digits | {state})


def _wildcard(machine: Machine) -> Hosts:
    first = next((text for text, marks in automaton.texts(machine) if marks), None)
    wildcard = "*" + _suffix(machine)
    if not _is_host(wildcard):
        return Hosts(missing=first)
    nfa = Nfa()
    nfa.end(_OLD)
    below = regex.parse(rf"(?:{_LABEL}\.)+" + wildcard[2:].replace(".", r"\."), regex.Dialect.RE2)
    starts = [build.embedded(nfa, machine), build.add(nfa, below, nfa.end(_NEW))]
    found = {
        marks: text for text, marks in reversed(list(automaton.texts(automaton.determined(nfa, starts))))
    }
    if (extra := found.get(frozenset({_NEW}))) is None:
        return Hosts((wildcard,))
    return Hosts(missing=first, wider=wildcard, wider_extra=extra)


def _suffix(machine: Machine) -> str:
    """What all names end with, from a dot on."""
    back = automaton.backwards(machine, [state for state, marks in enumerate(machine.marks) if marks])
    place, found = frozenset({0}), ""
    while (step := _only_step(back, place)) and len(found) < syntax.HOST_MAX_LENGTH:
        character, place = step
        found = character + found
    return found[found.find(".") :] if "." in found else ""


def _only_step(back: Machine, place: States) -> tuple[str, States] | None:
    moves = [move for state in place for move in back.moves[state]]
    if len(moves) != 1 or moves[0][0].bit_count() != 1 or any(back.marks[state] for state in place):
        return None
    return charset.characters(moves[0][0]), frozenset({moves[0][1]})


def _is_host(name: str) -> bool:
    try:
        return bool(syntax.host(name))
    except ValueError:
        return False
