"""The order of an APIRule's rules, in which the first that matches wins.

Kyma's routes had an order too; Oathkeeper has none, and answers 500 where two of its rules match.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

from authz.istio import precedence
from authz.migrate.conversion.model.made import Rule, literal
from authz.migrate.conversion.together import beside
from authz.migrate.conversion.together.asking import asks_less
from authz.migrate.report.rows import About, Contrast


def arranged(rules: Iterable[Rule], about: About) -> list[Rule]:
    """Without what no request ever reached, and the special before the general."""
    ordered: list[Rule] = []
    for rule in rules:
        left = _reached(rule, ordered, about)
        if left.methods:
            ordered.insert(_place(left, ordered), left)
    for first, later in combinations(ordered, 2):
        _tell_meeting(first, later, about)
    return ordered


def meets(one: Rule, other: Rule) -> bool:
    """True if some request is one of both."""
    return bool(set(one.methods) & set(other.methods)) and precedence.overlaps(one.path, other.path)


def _reached(rule: Rule, before: list[Rule], about: About) -> Rule:
    """Only for the methods that no earlier route took away."""
    methods = list(rule.methods)
    if _is_repeated(rule, before):
        message = "No request got here: of two rules with one path Kyma made a route of the first alone."
        old = rule.made.old
        about(old).kept(old.path_at, message, old=rule.template, new="left out", code="never-reached")
        return replace(rule, methods=())
    for other in before:
        shared = [method for method in methods if method in other.methods]
        if not shared or not precedence.covers(other.path, rule.path):
            continue
        if other.path != rule.path and _both_by_oathkeeper(rule, other):
            continue
        methods = [method for method in methods if method not in shared]
        _tell(rule, other, shared, about)
    return replace(rule, methods=tuple(methods))


def _is_repeated(rule: Rule, before: Iterable[Rule]) -> bool:
    """The first route had some methods only; a route to Oathkeeper, or for `allow`, has all."""
    return rule.made.old.origin.kind == "APIRule" and any(
        "no_auth" in other.made.old.handlers
        and other.made is not rule.made
        and other.made.old.path == rule.made.old.path
        for other in before
    )


def _tell(rule: Rule, other: Rule, shared: list[str], about: About) -> None:
    old, ledger = rule.made.old, about(rule.made.old)
    named = other.made.old.named_beside(old)
    if not _both_by_oathkeeper(rule, other):
        message = f"No request got here: {named} took them all."
        ledger.kept(old.path_at, message, old=rule.template, new="left out", code="never-reached")
    elif rule.made.access == other.made.access and rule.made.goes_to == other.made.goes_to:
        message = f"The same as {named}; Oathkeeper answered 500, for both match."
        ledger.kept(old.path_at, message, old=rule.template, new="left out", code="overlap")
    else:
        witness = f"{shared[0]} {literal(rule.template)}"
        question = f"Which shall decide, this rule or {named}? Both match {witness}: Oathkeeper answered 500."
        answer = "take the path out of one of the two"
        ledger.ask(old.path_at, question, answer, old=rule.template, code="overlap")


def _place(rule: Rule, before: list[Rule]) -> int:
    """Before the first that would take all of its requests; that is one of Oathkeeper's, too."""
    for index, other in enumerate(before):
        if set(other.methods) & set(rule.methods) and precedence.covers(other.path, rule.path):
            return index
    return len(before)


def _tell_meeting(first: Rule, later: Rule, about: About) -> None:
    """What became of requests that both are for."""
    if first.made is later.made or not precedence.overlaps(first.path, later.path):
        return
    if _both_by_oathkeeper(first, later) and set(first.methods) & set(later.methods):
        _tell_overlap(first, later, about)


def _tell_overlap(rule: Rule, other: Rule, about: About) -> None:
    if beside.are_apart(rule.made.old, other.made.old):
        return
    old, ledger = rule.made.old, about(rule.made.old)
    message = (
        f"Oathkeeper answered 500 where {other.made.old.named_beside(old)} matches too. "
        "Now this rule decides, as the first."
    )
    if asks_less(rule.made, other.made):
        shared = next(method for method in rule.methods if method in other.methods)
        new = "noAuth" if rule.made.is_public else ", ".join(rule.made.old.handlers)
        shown = Contrast(rule.template, new, f"{shared} {literal(rule.template)}")
        ledger.widened(old.path_at, "overlap", message, shown)
    else:
        ledger.kept(old.path_at, message, old=rule.template, new=f"before {other.template}", code="overlap")


def _both_by_oathkeeper(one: Rule, other: Rule) -> bool:
    return one.made.old.by_oathkeeper and other.made.old.by_oathkeeper
