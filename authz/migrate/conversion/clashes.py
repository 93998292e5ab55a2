"""What rules of different objects can not say side by side, for our configuration says it once for all.

A header that tells a workload who calls in one rule may be set for everyone by no other: a workload could not
know one from the other. And identity tokens have one issuer.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from authz.istio import headers
from authz.migrate.conversion import hosts
from authz.migrate.conversion.grouping import Group
from authz.migrate.conversion.judging import Judged
from authz.migrate.conversion.model.made import Made
from authz.migrate.conversion.together import asking
from authz.migrate.old.rule import Pattern
from authz.migrate.paths import patterns
from authz.migrate.report.rows import Contrast, Ledger

_ONE = "move the rules into one of them; Rules of one host and namespace become one APIRule"

_ANY = ("<.*>", "<.+>", "<[^/]+>")

Rules = Sequence[tuple[Ledger, Made]]
Others = Sequence[tuple[Pattern, Made]]


def tell(judged: Iterable[Judged]) -> None:
    """Adds the questions."""
    rules = [(one.ledger, made) for one in judged for made in one.made]
    _tell_headers(rules)
    _tell_issuers([(ledger, made) for ledger, made in rules if made.added.token is not None])


def tell_hosts(groups: Iterable[Group]) -> None:
    """Two documents of one host that become two APIRules: Oathkeeper looked at the rules of both."""
    by_host: dict[str, list[Group]] = {}
    for group in groups:
        by_host.setdefault(group.host, []).append(group)
    for host, sharing in by_host.items():
        for group in sharing if host and len(sharing) > 1 else ():
            others = ", ".join(str(one.ledger.origin) for one in sharing if one is not group)
            question = f"Whose is {host}? {others} names it too, and an APIRule has its host for itself."
            group.ledger.ask("spec.host", question, _ONE, old=host, code="host")


def tell_patterns(groups: Iterable[Group], judged: Iterable[Judged]) -> None:
    """A rule for any host, beside an APIRule that led to Oathkeeper: where both matched, nobody passed."""
    others = [
        (pattern, made)
        for one in judged
        if one.object.origin.kind != "APIRule"
        for pattern in one.object.rules[0].hosts
        if "<" in pattern.text
        for made in one.made
    ]
    for group in groups if others else ():
        for made in group.made:
            if made.old.origin.kind == "APIRule" and made.old.by_oathkeeper:
                _tell_pattern(made, group, others)


def _tell_pattern(made: Made, group: Group, others: Others) -> None:
    """One of them, and the first that asks more."""
    ledger, at = group.about(made.old), made.old.path_at
    for other, path in islice(_meeting(made, group.host, others), 1):
        ledger.kept(at, _said(made, other, path), new="this rule decides", code="spanning")
    stricter = [(pattern, other) for pattern, other in others if asking.asks_less(made, other)]
    for other, path in islice(_meeting(made, group.host, stricter), 1):
        method = next(method for method in made.methods if method in other.methods)
        shown = Contrast(made.old.path.text, ", ".join(made.old.handlers), f"{method} {path}")
        message = f"{_said(made, other, path)} Now this rule decides, which asks less."
        ledger.widened(at, "overlap", message, shown)


def _said(made: Made, other: Made, path: str) -> str:
    return f"Oathkeeper answered 500 for {path}, as {other.old.named_beside(made.old)} matched it too."


def _meeting(made: Made, host: str, others: Others) -> Iterator[tuple[Made, str]]:
    """Each that has a path with it at that host, and the path."""
    for pattern, other in others:
        if set(made.methods) & set(other.methods) and hosts.may_be(host, pattern):
            name = "x" if pattern.text in _ANY else host  # of these, every host is the same
            own = f"<{made.old.path.text}>"  # Kyma made an access rule of the APIRule's
            if path := patterns.overlap_at(name, own, pattern, other.old.path.text):
                yield other, path


def _tell_headers(rules: Rules) -> None:
    identities = {name: made.old.origin for _, made in rules for name in made.added.claims}
    for ledger, made in rules:
        for name in made.added.headers:
            if (owner := identities.get(headers.spelling(name))) is not None:
                question = (
                    f"Which other header can say this? In {owner}, {name} tells who the caller is, and then "
                    "no rule may set it for everyone."
                )
                _ask(ledger, made, question, f"edit {_at(made)}: rename {name}", name)


def _tell_issuers(rules: Rules) -> None:
    issuers = list(dict.fromkeys(made.added.issuer for _, made in rules))
    for ledger, made in rules if len(issuers) > 1 else ():
        question = f"Identity tokens have one issuer: which of {', '.join(issuers)}?"
        answer = "edit issuer_url of the others, and tell their workloads"
        _ask(ledger, made, question, answer, made.added.issuer)


def _ask(ledger: Ledger, made: Made, question: str, answer: str, old: str) -> None:
    ledger.about(made.old.index).ask(_at(made), question, answer, old=old, code="identity")


def _at(made: Made) -> str:
    return made.old.field("mutators")
