"""Methods that a path's rule does not list, and a rule behind it does: they are nobody's, as before.

Kyma's routes to Oathkeeper took a path with all of its methods, and so did those to a workload that the mesh
guards; a rule by itself has those that it lists.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from authz.istio import precedence
from authz.migrate.conversion.model.access import Nobody
from authz.migrate.conversion.model.added import Added
from authz.migrate.conversion.model.made import METHODS, Rule
from authz.migrate.report.rows import About


def refused(rules: Sequence[Rule], about: About) -> list[Rule]:
    """With a rule that refuses them before each that would let them pass."""
    before: list[list[Rule]] = [[] for _ in rules]
    for at, first in enumerate(rules):
        if first.made.old.by_oathkeeper or first.made.old.by_mesh:
            for place, rule in _refusals(at, rules):
                before[place].append(rule)
                _tell(rule, rules[place], about)
    return [one for at, rule in enumerate(rules) for one in (*before[at], rule)]


def _refusals(at: int, rules: Sequence[Rule]) -> Iterator[tuple[int, Rule]]:
    """Each with the place that it belongs before."""
    first, left = rules[at], set(METHODS) - set(rules[at].methods)
    for place, later in enumerate(rules[at + 1 :], at + 1):
        passed = _passed_on(first, later, left)
        if passed:
            made = replace(first.made, methods=passed, access=(Nobody(),), added=Added())
            yield place, replace(first, made=made, methods=passed)
        if passed or precedence.covers(later.path, first.path):
            left -= set(later.methods)


def _passed_on(first: Rule, later: Rule, left: Iterable[str]) -> tuple[str, ...]:
    """Oathkeeper knew which of its own rules has a method, and so did the mesh's policies."""
    is_of_the_same = later.made.old.by_oathkeeper == first.made.old.by_oathkeeper
    if is_of_the_same or not precedence.overlaps(first.path, later.path):
        return ()
    return tuple(method for method in later.methods if method in left)


def _tell(rule: Rule, later: Rule, about: About) -> None:
    who = "Oathkeeper answered 404" if rule.made.old.by_oathkeeper else "The mesh answered 403"
    message = (
        f"{who} to {', '.join(rule.methods)}, which {later.made.old.named_beside(rule.made.old)} lets pass; "
        "an authorizer that accepts nobody refuses them."
    )
    about(rule.made.old).kept(
        rule.made.old.path_at, message, old=rule.template, new=rule.methods, code="methods-passed-on"
    )
