"""That no path is decided by another rule than before: a narrower path leaves some to the rules behind it.

Where every path is said exactly, the order of the templates says it all, and nothing is looked at here.
"""

from collections.abc import Iterable, Iterator, Sequence

from authz.migrate import order, patterns
from authz.migrate.made import Made, Rule
from authz.migrate.patterns import Undecided
from authz.migrate.report import Ledger
from authz.migrate.shifts import Places, Shift, shifts


def tell(made: Sequence[Made], rules: Sequence[Rule], ledger: Ledger) -> None:
    """A question for each way in which another rule would decide, unless it says the same."""
    if not any(map(_is_inexact, made)):
        return
    for method, own in _by_methods(made):
        told = [rule for rule in rules if method in rule.methods]
        try:
            for shift in _shifts(made, own, told):
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
    """The rules of each method; of methods that have the same ones, the first."""
    seen: set[Places] = set()
    for method in dict.fromkeys(method for one in made for method in one.methods):
        own = tuple(at for at, one in enumerate(made) if method in one.methods)
        if own not in seen:
            seen.add(own)
            yield method, own


def _shifts(made: Sequence[Made], own: Places, rules: Iterable[Rule]) -> Iterator[Shift]:
    def deciding(matching: Places) -> Places:
        """Where a route leads to Oathkeeper, all of its rules have a say."""
        if not matching or not made[own[matching[0]]].old.by_oathkeeper:
            return matching[:1]
        return tuple(at for at in matching if made[own[at]].old.by_oathkeeper)

    places = {id(made[at]): place for place, at in enumerate(own)}
    new = [(rule.template, places[id(rule.made)]) for rule in rules]
    for shift in shifts([made[at].old.path for at in own], new, deciding):
        now = None if shift.now is None else own[shift.now]
        yield Shift(shift.path, tuple(own[at] for at in shift.then), now)


def _tell(made: Sequence[Made], shift: Shift, method: str, ledger: Ledger) -> None:
    if shift.now is None or not shift.then:  # the path itself is narrower, or wider, and that is told there
        return
    now, before = made[shift.now], [made[at] for at in shift.then if at != shift.now]
    if all(one.access == now.access and one.service == now.service for one in before):
        return
    at, witness = _field(before[0]), f"{method} {shift.path}"
    fields = " and ".join(_field(made[place]) for place in shift.then)
    ledger.index = before[0].old.index
    if shift.now not in shift.then:
        question = f"Whose is {witness}? {fields} matched it, and {_field(now)} would decide now."
        ledger.ask(at, question, "write the paths so that no two rules match", code="order")
    elif now.is_public and not all(one.is_public for one in before):
        message = f"Oathkeeper answered 500 here, for {fields} match. Now everyone may pass."
        ledger.widened(at, "overlap", message, old=before[0].old.path.text, new="noAuth", witness=witness)


def _field(one: Made) -> str:
    return order.field(Rule.of(one)[0])
