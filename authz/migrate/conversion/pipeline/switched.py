"""Handlers that Oathkeeper's own configuration leaves off, and rules without one: it answered 500 to all.

Whoever wrote such a rule has had it shut, whatever it says; opening it is for a person to decide.
"""

from collections.abc import Iterator, Mapping

from authz.migrate.conversion.model.access import Case
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.old.rule import Handler, Old, Settings
from authz.migrate.report.rows import Ledger

_KYMAS = ("allow", "no_auth")  # words of an APIRule; no request came to Oathkeeper
_SHUT = "deny"  # nobody passes, whatever else is on
_NOOP = Handler("noop")  # what Oathkeeper's controller writes where an APIRule adds nothing


def are_on(old: Old, settings: Settings, choices: Choices, ledger: Ledger) -> bool:
    """True if Oathkeeper took the rule at all; else each reason is a question."""
    if not old.by_oathkeeper or old.authorizer.name == _SHUT:
        return True
    off = [case for case in _cases(old, settings, choices, ledger) if _is_off(case)]
    for case in off:
        name, section = case.handler.name, case.section
        at = case.at() if case.handler.at else f"{settings.file}: {section}.{name}.enabled"
        question = f"{name} is off in {settings.file}: Oathkeeper answered 500. Who may use this rule?"
        answer = "turn it on there, or take it out of the rule"
        ledger.ask(at, question, answer, old=f"{section}.{name}", code="off")
    return not off and _has_mutators(old, ledger)


def _cases(old: Old, settings: Settings, choices: Choices, ledger: Ledger) -> Iterator[Case]:
    implied = (_NOOP,) if old.origin.kind == "APIRule" else ()
    sections = {
        "authenticators": tuple(one for one in old.authenticators if one.name not in _KYMAS),
        "authorizers": (old.authorizer,) if old.authorizer.name else (),
        "mutators": old.mutators or implied,
        "errors": old.errors,
    }
    for section, handlers in sections.items():
        yield from (Case(one, section, settings, choices, ledger) for one in handlers)


def _is_off(case: Case) -> bool:
    """Nothing is on unless the configuration says so; where there is none, nothing is known."""
    handlers: Mapping[str, Mapping[str, object]] = getattr(case.settings, case.section)
    written = handlers.get(case.handler.name)
    is_on = isinstance(written, Mapping) and written.get("enabled") is True
    return bool(case.settings.written) and not is_on


def _has_mutators(old: Old, ledger: Ledger) -> bool:
    """The controller adds `noop` to a Rule that is silent; to a file of access rules nobody adds anything."""
    if old.mutators or old.origin.kind == "APIRule":
        return True
    at = old.field("mutators")
    question = "Is this rule in use? It has no mutators: Oathkeeper answered 500 to everyone."
    ledger.ask(at, question, f"edit {at}: [{{handler: noop}}], or take the rule out", code="off")
    return False
