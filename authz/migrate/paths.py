"""An old rule's path as templates, with what is lost or gained told by a path that shows it."""

from typing import Any

from authz.migrate import patterns
from authz.migrate.old import Old
from authz.migrate.report import Ledger


def templates(old: Old, ledger: Ledger) -> tuple[str, ...]:
    """Nothing where a person has to say more."""
    at = field(old)
    try:
        found = patterns.convert(old.path.text, old.path.strategy)
    except patterns.Undecided as undecided:
        _ask(old, str(undecided), ledger)
        return ()
    if not found.templates:
        _ask(old, "it can not be said with {*} and {**}", ledger, found.wider, found.wider_extra)
        return ()
    shown: dict[str, Any] = {"old": old.path.text, "new": found.templates}
    method = old.methods[0] if old.methods else "GET"
    if found.extra is not None:
        message = f"The new paths take {found.extra} too, which the old one did not."
        ledger.widened(at, "paths", message, witness=f"{method} {found.extra}", **shown)
    if found.missing is not None:
        message = f"{found.missing} matched the old path, and none of the new."
        ledger.narrowed(at, "paths", message, witness=f"{method} {found.missing}", **shown)
    if found.extra is None and found.missing is None:
        ledger.kept(at, "The same paths.", **shown)
    return found.templates


def _ask(old: Old, why: str, ledger: Ledger, wider: tuple[str, ...] = (), extra: str | None = None) -> None:
    question = f"Which paths are these? Of {old.path.text}, {why}."
    if wider:
        question += f" {', '.join(wider)} would take them all, and {extra} too."
    at = field(old)
    ledger.ask(at, question, f"edit {at}: one rule for each path", old=old.path.text, code="paths")


def field(old: Old) -> str:
    """Where it is written."""
    return f"{old.at}.path" if old.origin.kind == "APIRule" else f"{old.at + '.' if old.at else ''}match.url"
