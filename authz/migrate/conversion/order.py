"""The order of an APIRule's rules, in which the first that matches wins.

Kyma's routes had an order too; Oathkeeper has none, and answers 500 where two of its rules match.
"""

from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

from authz.istio import precedence
from authz.migrate.conversion import beside, fields
from authz.migrate.conversion.asking import asks_less
from authz.migrate.conversion.made import Rule
from authz.migrate.report.rows import Ledger


def arranged(rules: Iterable[Rule], ledger: Ledger) -> list[Rule]:
    """Without what no request ever reached, and the special before the general."""
    ordered: list[Rule] = []
    for rule in rules:
        ledger.index = rule.made.old.index
        left = _reached(rule, ordered, ledger)
        if left.methods:
            ordered.insert(_place(left, ordered), left)
    for first, later in combinations(ordered, 2):
        ledger.index = first.made.old.index
        _tell_meeting(first, later, ledger)
    ledger.index = None
    return ordered


def meets(one: Rule, other: Rule) -> bool:
    """True if some request is one of both."""
    return bool(set(one.methods) & set(other.methods)) and precedence.overlaps(one.path, other.path)


def _reached(rule: Rule, before: list[Rule], ledger: Ledger) -> Rule:
    """Only for the methods that no earlier route took away."""
    methods = list(rule.methods)
    if _is_repeated(rule, before):
        message = "No request got here: of two rules with one path Kyma made a route of the first alone."
        ledger.kept(field(rule), message, old=rule.template, new="left out", code="never-reached")
        return replace(rule, methods=())
    for other in before:
        shared = [method for method in methods if method in other.methods]
        if not shared or not precedence.covers(other.path, rule.path):
            continue
        if other.path != rule.path and _both_by_oathkeeper(rule, other):
            continue
        methods = [method for method in methods if method not in shared]
        _tell(rule, other, shared, ledger)
    return replace(rule, methods=tuple(methods))


def _is_repeated(rule: Rule, before: Iterable[Rule]) -> bool:
    """The first route had some methods only; a route to Oathkeeper, or for `allow`, has all."""
    return rule.made.old.origin.kind == "APIRule" and any(
        "no_auth" in other.made.old.handlers
        and other.made is not rule.made
        and other.made.old.path == rule.made.old.path
        for other in before
    )


def _tell(rule: Rule, other: Rule, shared: list[str], ledger: Ledger) -> None:
    at, witness = field(rule), f"{shared[0]} {fields.literal(rule.template)}"
    if not _both_by_oathkeeper(rule, other):
        message = f"No request got here: {field(other)} took them all."
        ledger.kept(at, message, old=rule.template, new="left out", code="never-reached")
    elif rule.made.access == other.made.access and rule.made.goes_to == other.made.goes_to:
        message = f"The same as {field(other)}; Oathkeeper answered 500, for both match."
        ledger.kept(at, message, old=rule.template, new="left out", code="overlap")
    else:
        question = (
            f"Which shall decide, this rule or {field(other)}? Both match {witness}: Oathkeeper answered 500."
        )
        ledger.ask(at, question, "take the path out of one of the two", old=rule.template, code="overlap")


def _place(rule: Rule, before: list[Rule]) -> int:
    """Before the first that would take all of its requests; that is one of Oathkeeper's, too."""
    for index, other in enumerate(before):
        if set(other.methods) & set(rule.methods) and precedence.covers(other.path, rule.path):
            return index
    return len(before)


def _tell_meeting(first: Rule, later: Rule, ledger: Ledger) -> None:
    """What became of requests that both are for."""
    if first.made is later.made or not precedence.overlaps(first.path, later.path):
        return
    if _both_by_oathkeeper(first, later) and set(first.methods) & set(later.methods):
        _tell_overlap(first, later, ledger)


def _tell_overlap(rule: Rule, other: Rule, ledger: Ledger) -> None:
    if beside.are_apart(rule.made.old, other.made.old):
        return
    at = field(rule)
    message = (
        f"Oathkeeper answered 500 where {field(other)} matches too. Now this rule decides, as the first."
    )
    shared = next(method for method in rule.methods if method in other.methods)
    witness = f"{shared} {fields.literal(rule.template)}"
    if asks_less(rule.made, other.made):
        new = "noAuth" if rule.made.is_public else ", ".join(rule.made.old.handlers)
        ledger.widened(at, "overlap", message, old=rule.template, new=new, witness=witness)
    else:
        ledger.kept(at, message, old=rule.template, new=f"before {other.template}", code="overlap")


def _both_by_oathkeeper(one: Rule, other: Rule) -> bool:
    return one.made.old.by_oathkeeper and other.made.old.by_oathkeeper


def field(rule: Rule) -> str:
    """Where its path is written."""
    old = rule.made.old
    return f"{old.at}.path" if old.origin.kind == "APIRule" else f"{old.at + '.' if old.at else ''}match.url"
