"""Authorizers that our configuration would not load: one of them would take all the others with it."""

from collections.abc import Iterable
from typing import Any

from authz import config, writing
from authz.migrate.conversion import authorizers
from authz.migrate.conversion.judging import Judged
from authz.migrate.conversion.model.made import Made
from authz.migrate.report.rows import Ledger


def tell(judged: Iterable[Judged]) -> None:
    """Adds a question to each rule that needs one."""
    known: dict[str, str] = {}
    for one in judged:
        for made in one.made:
            if problem := _problem(made, known):
                question = f"Its authorizer could not be loaded: {problem}. What shall stand there?"
                at = made.old.authenticators[0].at
                one.ledger.about(made.old.index).ask(at, question, f"edit {at}", code="type")


def _problem(made: Made, known: dict[str, str]) -> str:
    """Nothing where there is none, or no authorizer."""
    if made.is_shut or not (made.anonymous is not None or any(way.accept for way in made.ways)):
        return ""
    entry = authorizers.entry(made)
    if (name := entry["name"]) not in known:
        known[name] = _mistake(authorizers.configuration([entry], [made], Ledger(made.old.origin)))
    return known[name]


def _mistake(written: dict[str, Any]) -> str:
    try:
        config.Config.model_validate(written)
    except ValueError:
        return _told(writing.write([written]))
    return ""


def _told(text: str) -> str:
    """In the words that `authz config check` has for it."""
    try:
        config.parse(text)
    except config.Invalid as invalid:
        return invalid.problems[0]
    return ""
