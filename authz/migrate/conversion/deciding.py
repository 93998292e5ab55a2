"""That no path is decided by another rule than before: a narrower path leaves some to the rules behind it.

Where every path is said exactly, the order of the templates says it all, and nothing is looked at here.
"""

from collections.abc import Iterable, Iterator, Sequence

from authz.migrate.conversion import order
from authz.migrate.conversion.asking import asks_less
from authz.migrate.conversion.made import Made, Rule
from authz.migrate.conversion.shifts import Places, Shift, shifts
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Undecided
from authz.migrate.report.rows import Ledger


def tell(made: Sequence[Made], rules: Sequence[Rule], ledger: Ledger) -> None:
    """A question for each way in which another rule would decide, unless it says the same."""
    if not any(map(_is_inexact, made)):
        return
    for method, own in _by_methods(made):
        told = [rule for rule in rules if method in rule.methods]
        try:
            for shift in _shifts(made, own, told, method):
                _tell(made, shift, method, ledger)
        except Undecided as reason:
            question = f"Does each rule decide about the same {method} requests as before? {reason}."
            at = order.field(told[0]) if told else "match.url"
            ledger.ask(at, question, "write fewer or simpler paths", code="order")
    ledger.index = None


def _is_inexact(one: Made) -> bool:
    found = patterns.convert(one.old.path.text, one.old.path.strategy)
    return one.templates != found.templates or not found.exact


def _by_methods(made: Sequence[Made]) -> Iterator[tuple[str, Places]]:
    """The rules of each method; of methods that have the same ones, the first.

    Kyma's routes to Oathkeeper, or to a workload that the mesh guards, took a path with all methods; those
    that were not listed were refused there.
    """
    seen: set[tuple[Places, Places]] = set()
    for method in dict.fromkeys(method for one in made for method in one.methods):
        listed = tuple(at for at, one in enumerate(made) if method in one.methods)
        own = tuple(at for at, one in enumerate(made) if at in listed or _is_routed(one))
        if (listed, own) not in seen:
            seen.add((listed, own))
            yield method, own


def _is_routed(one: Made) -> bool:
    return one.old.origin.kind == "APIRule" and (one.old.by_oathkeeper or one.old.by_mesh)


def _shifts(made: Sequence[Made], own: Places, rules: Iterable[Rule], method: str) -> Iterator[Shift]:
    def deciding(matching: Places) -> Places:
        """All of Oathkeeper's rules have a say behind a route to it; else the first of the others."""
        if not matching:
            return ()
        by_oathkeeper = made[own[matching[0]]].old.by_oathkeeper
        there = (at for at in matching if made[own[at]].old.by_oathkeeper == by_oathkeeper)
        listed = tuple(at for at in there if method in made[own[at]].methods)
        return (listed if by_oathkeeper else listed[:1]) or matching[:1]

    places = {id(made[at].old): place for place, at in enumerate(own)}
    new = [(rule.template, places[id(rule.made.old)]) for rule in rules]
    for shift in shifts([made[at].old.path for at in own], new, deciding):
        now = None if shift.now is None else own[shift.now]
        yield Shift(shift.path, tuple(own[at] for at in shift.then), now)


def _tell(made: Sequence[Made], shift: Shift, method: str, ledger: Ledger) -> None:
    if shift.now is None or not shift.then:  # the path itself is narrower, or wider, and that is told there
        return
    now, before = made[shift.now], [made[at] for at in shift.then if at != shift.now]
    if all(
        one.access == now.access and one.goes_to == now.goes_to and method in one.methods for one in before
    ):
        return
    at, witness = _field(before[0]), f"{method} {shift.path}"
    fields = " and ".join(_field(made[place]) for place in shift.then)
    ledger.index = before[0].old.index
    if shift.now not in shift.then:
        question = f"Whose is {witness}? {fields} matched it, and {_field(now)} would decide now."
        ledger.ask(at, question, "write the paths so that no two rules match", code="order")
    elif any(asks_less(now, one) for one in before):
        message = (
            f"Oathkeeper answered 500 here, for {fields} match. Now {_field(now)} decides, which asks less."
        )
        new = "noAuth" if now.is_public else now.old.handlers
        ledger.widened(at, "overlap", message, old=before[0].old.path.text, new=new, witness=witness)


def _field(one: Made) -> str:
    return order.field(Rule.of(one)[0])
