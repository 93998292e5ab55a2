"""An old rule's path as templates, with what is lost or gained told by a path that shows it."""

from authz.migrate.conversion.together import beside
from authz.migrate.old.kinds import EVERY_PATH
from authz.migrate.old.rule import Old, World
from authz.migrate.paths import patterns
from authz.migrate.paths.patterns import Converted, Undecided
from authz.migrate.report.rows import Contrast, Ledger

WIDER = "widened:paths"

_TWO_MEANINGS = (
    "Kyma took /* for all of them where its jwtHandler was istio, and for / alone where it was ory."
)


def templates(old: Old, world: World, ledger: Ledger) -> tuple[str, ...]:
    """Nothing where a person has to say more."""
    if not old.schemes:  # what is asked about those is about the path too
        return ()
    try:
        found = patterns.convert(old.path.text, old.path.strategy)
    except Undecided as reason:
        _ask(old, f"Which paths are these? They can not be told for certain: {reason}.", ledger)
        return ()
    if old.path.text == EVERY_PATH and old.origin.kind == "APIRule":
        _ask(old, f"Which paths are these? {_TWO_MEANINGS}", ledger, ": /.* or /")
    elif found.missing is None and not found.templates:
        question = (
            f"Is this rule in use? No request has a path like {old.path.text or 'that'}: nobody passed."
        )
        _ask(old, question, ledger, ", or take the rule out")
    elif found.missing is None:
        ledger.kept(old.path_at, "The same paths.", old=old.path.text, new=found.templates)
        return found.templates
    elif beside.takes_the_rest(old, found, world):
        message = "The same paths: other rules take the rest."
        ledger.kept(old.path_at, message, old=old.path.text, new=found.wider)
        return found.wider
    else:
        return _wider(old, found, ledger) if found.wider else _narrower(old, found, ledger)
    return ()


def _ask(old: Old, question: str, ledger: Ledger, how: str = "") -> None:
    ledger.ask(old.path_at, question, f"edit {old.path_at}{how}", old=old.path.text, code="paths")


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
        _ask(old, question, ledger)
        return ()
    message = f"{found.missing} matched the old path, and none of the new."
    if found.wider:
        message += f" --accept {WIDER} takes {', '.join(found.wider)}, and with them {found.wider_extra}."
    witness = f"{_method(old)} {found.missing}"
    ledger.narrowed(old.path_at, "paths", message, Contrast(old.path.text, found.templates, witness))
    return found.templates


def _method(old: Old) -> str:
    return old.methods[0].upper() if old.methods else "GET"
