"""An old rule's path as templates, with what is lost or gained told by a path that shows it."""

from authz.migrate.conversion import beside
from authz.migrate.old.rule import Old, World
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Converted, Undecided
from authz.migrate.report.rows import Contrast, Ledger

WIDER = "widened:paths"


def templates(old: Old, world: World, ledger: Ledger) -> tuple[str, ...]:
    """Nothing where a person has to say more."""
    at = old.path_at
    try:
        found = patterns.convert(old.path.text, old.path.strategy)
    except Undecided as reason:
        question = f"Which paths are these? They can not be told for certain: {reason}."
        ledger.ask(at, question, f"edit {at}", old=old.path.text, code="paths")
        return ()
    if found.missing is None:
        ledger.kept(at, "The same paths.", old=old.path.text, new=found.templates)
        return found.templates
    if beside.takes_the_rest(old, found, world):
        ledger.kept(at, "The same paths: other rules take the rest.", old=old.path.text, new=found.wider)
        return found.wider
    return _wider(old, found, ledger) if found.wider else _narrower(old, found, ledger)


def _wider(old: Old, found: Converted, ledger: Ledger) -> tuple[str, ...]:
    """More is taken only if a person has accepted that, or if there is nothing else to take."""
    if WIDER not in ledger.accepted and found.templates:
        return _narrower(old, found, ledger)
    message = f"The new paths take {found.wider_extra} too, which the old one did not."
    witness = f"{_method(old)} {found.wider_extra}"
    taken = ledger.widened(old.path_at, "paths", message, Contrast(old.path.text, found.wider, witness))
    return found.wider if taken else ()


def _narrower(old: Old, found: Converted, ledger: Ledger) -> tuple[str, ...]:
    if not found.templates:
        question = f"Which paths are these? None is taken for certain, and {found.missing} is one of them."
        ledger.ask(old.path_at, question, f"edit {old.path_at}", old=old.path.text, code="paths")
        return ()
    message = f"{found.missing} matched the old path, and none of the new."
    if found.wider:
        message += f" --accept {WIDER} takes {', '.join(found.wider)}, and with them {found.wider_extra}."
    witness = f"{_method(old)} {found.missing}"
    ledger.narrowed(old.path_at, "paths", message, Contrast(old.path.text, found.templates, witness))
    return found.templates


def _method(old: Old) -> str:
    return old.methods[0].upper() if old.methods else "GET"
