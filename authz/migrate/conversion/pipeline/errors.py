"""Oathkeeper's error handlers: what a refused caller is answered."""

from collections.abc import Iterable, Sequence

from authz.migrate.conversion.model.access import Access, Case, Way
from authz.migrate.report.rows import Contrast, text

ERRORS = {
    "json": "application/problem+json, with WWW-Authenticate.",
    "www_authenticate": "WWW-Authenticate: Bearer (RFC 6750) on every 401, without a realm.",
    "redirect": "A browser that navigates is sent to sign in with oauth2-proxy; nothing else is.",
}


def convert(cases: Iterable[Case], access: Sequence[Access]) -> None:
    """Only rows: what the authorizer answers does not depend on the rule, but for a session."""
    signs_in = any("session" in entry for one in access if isinstance(one, Way) for entry in one.accept)
    for case in cases:
        name = case.handler.name
        if name not in ERRORS:
            case.ledger.ask(
                case.at(), "An error handler that Oathkeeper does not have.", "take it out", old=name
            )
        elif name != "redirect" or signs_in:
            case.ledger.kept(case.at(), ERRORS[name], old=name)
        else:
            _redirect(case)


def _redirect(case: Case) -> None:
    to = case.text("to")
    message = f"Who is refused gets an answer, 401 or 403, and is not sent to {to}."
    if "narrowed:redirect" in case.ledger.accepted:
        case.ledger.narrowed(case.at(), "redirect", message, Contrast(f"redirect to {to}", "401, 403"))
        return
    question = f"{message} Nothing in this rule signs people in: will they find the way?"
    answer = "--accept narrowed:redirect, or add cookie_session to the rule and --session URL"
    case.ledger.ask(case.at(), question, answer, old=text(case.handler.config), code="redirect")
