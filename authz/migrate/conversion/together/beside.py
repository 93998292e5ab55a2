"""A path that makes exceptions, `<(?!admin).*>`, beside the rules that its exceptions are for.

Oathkeeper wants exactly one rule to match, so one of them says what the other has. The first rule that
matches wins now: behind the others the exception need not be said.
"""

from collections.abc import Iterable, Sequence

from authz.migrate.conversion.together import reserved
from authz.migrate.conversion.together.shifts import every, shifts
from authz.migrate.language import budget
from authz.migrate.old.rule import Old, World
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Converted, Undecided

_EXCEPTION = "(?"


def takes_the_rest(old: Old, found: Converted, world: World) -> bool:
    """True if the wider paths, tried after the other rules, decide about the same requests as the old one."""
    if _EXCEPTION not in old.path.text or not found.wider or old.origin.kind == "APIRule":
        return False
    if reserved.are_told(old.path):  # sent encoded, what is excepted would be of this rule
        return False
    others = [one for one in world.rules if one is not old and _is_beside(one, old)]
    with budget.limited(budget.PATTERN_MAX):
        return bool(old.methods) and all(
            _is_same([old, *(one for one in others if method in _methods(one))], found.wider)
            for method in _methods(old)
        )


def are_apart(one: Old, other: Old) -> bool:
    """True if one makes an exception of all that the other has, so that never both have matched."""
    if _EXCEPTION not in one.path.text + other.path.text:
        return False
    try:
        both = patterns.overlap((one.path.text, one.path.strategy), (other.path.text, other.path.strategy))
    except Undecided:
        return False
    return both is None


def _is_beside(one: Old, old: Old) -> bool:
    """Oathkeeper's too, and for every host."""
    return one.origin.kind != "APIRule" and set(one.hosts) >= set(old.hosts)


def _methods(one: Old) -> set[str]:
    return {method.upper() for method in one.methods}


def _is_same(rules: Sequence[Old], wider: Iterable[str]) -> bool:
    """Of the rules, the first has the wider paths, and comes last."""
    try:
        templates = [(path, at) for at, one in enumerate(rules) if at for path in _templates(one)]
        new = [*templates, *((path, 0) for path in wider)]
        found = shifts([one.path for one in rules], new, every)
    except Undecided:
        return False
    return not any(shift.now == 0 for shift in found)


def _templates(one: Old) -> tuple[str, ...]:
    return patterns.convert(one.path.text, one.path.strategy).templates
