"""That no path is decided by another rule than before: a narrower path leaves some to the rules behind it.

Where every path is said exactly, the order of the templates says it all, and nothing is looked at here.
"""

from collections.abc import Iterable, Iterator, Sequence

from authz.migrate.conversion.model.made import Made, Rule
from authz.migrate.conversion.together.asking import asks_less
from authz.migrate.conversion.together.shifts import Places, Shift, shifts
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Undecided
from authz.migrate.report.rows import About, Contrast


def tell(made: Sequence[Made], rules: Sequence[Rule], about: About) -> None:
    """A question for each way in which another rule would decide, unless it says the same."""
    if not any(map(_is_inexact, made)):
        return
    for method, own in _by_methods(made):
        told = [rule for rule in rules if method in rule.methods]
        try:
            for shift in _shifts(made, own, told, method):
                _tell(made, shift, method, about)
        except Undecided as reason:
            question = f"Does each rule decide about the same {method} requests as before? {reason}."
            old = (told[0].made if told else made[own[0]]).old
            about(old).about(None).ask(old.path_at, question, "write fewer or simpler paths", code="order")


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


def _tell(made: Sequence[Made], shift: Shift, method: str, about: About) -> None:
    if shift.now is None or not shift.then:  # the path itself is narrower, or wider, and that is told there
        return
    now, before = made[shift.now], [made[at] for at in shift.then if at != shift.now]
    if all(
        one.access == now.access and one.goes_to == now.goes_to and method in one.methods for one in before
    ):
        return
    first, witness = before[0].old, f"{method} {shift.path}"
    named = " and ".join(made[place].old.named_beside(first) for place in shift.then)
    by = now.old.named_beside(first)
    if shift.now not in shift.then:
        question = f"Whose is {witness}? {named} matched it, and {by} would decide now."
        about(first).ask(first.path_at, question, "write the paths so that no two rules match", code="order")
    elif any(asks_less(now, one) for one in before):
        message = f"Oathkeeper answered 500 here, for {named} match. Now {by} decides, which asks less."
        new = "noAuth" if now.is_public else now.old.handlers
        shown = Contrast(first.path.text, new, witness)
        about(first).widened(first.path_at, "overlap", message, shown)
