"""Oathkeeper's and Kyma's authenticators: each becomes a way to be let in, everybody, nobody, or a question.

The table at the end is the whole vocabulary; the guide is made from it.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from authz.migrate.conversion.model.access import (
    SECRETS,
    Access,
    Case,
    Nobody,
    Public,
    Secret,
    Way,
    parts_of,
    site,
)
from authz.migrate.conversion.pipeline import credentials, schemas, terms
from authz.migrate.conversion.pipeline.credentials import CLIENT
from authz.migrate.report.rows import Contrast

KYMAS = ("allow", "no_auth")  # words of an APIRule; Oathkeeper never saw such a rule, and has no such handler

# Settings that only tune, with what takes their place.
_TUNING = {
    "jwks_max_wait": "Keys are fetched ahead of requests; a fetch ends after sources.timeout.",
    "jwks_ttl": "Keys are fetched anew after sources.ttl, and at once when a token names a new one.",
    "retry": "A failed call is not repeated; the caller gets 503 with Retry-After.",
    "preserve_host": "The issuer is asked under its own name only.",
    "force_method": "oauth2-proxy is always asked in its own way.",
    "preserve_path": "oauth2-proxy is always asked in its own way.",
    "preserve_query": "oauth2-proxy is always asked in its own way.",
    "forward_http_headers": "oauth2-proxy is given the session's cookie and nothing else.",
    "additional_headers": "oauth2-proxy is given the session's cookie and nothing else.",
    "subject_from": "oauth2-proxy says who is signed in under its own names.",
    "extra_from": "oauth2-proxy says who is signed in under its own names.",
}


def convert(case: Case) -> list[Access]:
    """Nothing where a person has to decide first."""
    known = HANDLERS.get(case.handler.name)
    if known is None or (case.handler.name in KYMAS and case.ledger.origin.kind != "APIRule"):
        whose = "Oathkeeper does not have" if known else "neither Oathkeeper nor Kyma has"
        answer = f"edit the rule: one of {', '.join(HANDLERS)}"
        case.ledger.ask(
            case.at(), f"A handler that {whose}. Who may use the rule?", answer, old=case.handler.name
        )
        return []
    if not schemas.hold(case):
        return []
    found = known.convert(case)
    case.ledger.kept(case.at(), known.new, old=case.handler.name)
    for name in case.names():
        if name in _TUNING:
            case.ledger.kept(case.at(name), _TUNING[name], old=case.get(name))
    return found


def _public(_: Case) -> list[Access]:
    return [Public()]


def _anonymous(case: Case) -> list[Access]:
    subject = case.text("subject") or "anonymous"
    case.ledger.kept(case.at("subject"), "Only templates read it; it stands there as text.", old=subject)
    if "widened:anonymous" not in case.ledger.accepted:
        return [Public(subject, silent=True)]
    message = "A request with an Authorization header got 401; it passes now, as it always did without one."
    case.ledger.widened(case.at(), "anonymous", message, Contrast("anonymous", "noAuth"))
    return [Public(subject)]


def _unauthorized(_: Case) -> list[Access]:
    return [Nobody()]


def _session(case: Case) -> list[Access]:
    asked = case.text("check_session_url")
    parts = parts_of(asked)
    proxy = case.choices.session
    if not proxy and parts.path.endswith(("/oauth2/auth", "/oauth2/userinfo")):
        proxy = f"{parts.scheme}://{parts.netloc}"
    if not proxy:
        question = f"Which oauth2-proxy signs these people in, instead of the sessions of {asked}?"
        case.ledger.ask(
            case.at("check_session_url"), question, "--session http://oauth2-proxy.NAMESPACE:4180", asked
        )
        return []
    cookies = case.texts("only")
    case.ledger.kept(
        case.at("check_session_url"), "oauth2-proxy is asked about the session.", old=asked, new=proxy
    )
    case.ledger.kept(case.at("only"), "The session's cookie; oauth2-proxy's --cookie-name.", old=cookies)
    named = {"cookieName": cookies[0]} if len(cookies) == 1 else {}
    return [Way(({"session": {"oauth2Proxy": proxy} | named},))]


def _bearer_token(case: Case) -> list[Access]:
    """Whatever the address knows about the token: an issuer's introspection says the same of its own."""
    return _of_issuer(case, "check_session_url", "Tokens are introspected by their issuer instead.")


def _client_credentials(case: Case) -> list[Access]:
    message = (
        "Callers now get a token at this address themselves, and send it instead of their id and secret."
    )
    return _of_issuer(case, "token_url", message)


def _of_issuer(case: Case, name: str, message: str) -> list[Access]:
    url = case.text(name)
    issuer = case.choices.issuers.get(url, "")
    if not issuer:
        question = f"{message} Whose tokens shall be accepted in place of what {url or 'it'} knows about?"
        case.ledger.ask(case.at(name), question, f"--issuer {url or 'URL'}=ISSUER", old=url)
        return []
    code = case.handler.name.replace("_", "-")
    case.ledger.narrowed(case.at(name), code, message, Contrast(url, issuer))
    path = f"{SECRETS}/{CLIENT}-at-{site(issuer)}"
    made = {"issuer": issuer, "clientId": CLIENT, "clientSecretFile": path, "ttl": "1s"}
    made |= terms.asked(case, "exact") | terms.place(case)
    return [
        Way(
            ({"introspection": made},),
            secrets=(Secret(path, f"the secret of the client {CLIENT} at {issuer}"),),
            prefix=terms.prefix(case),
        )
    ]


class _Row(NamedTuple):
    convert: Callable[[Case], list[Access]]
    new: str


HANDLERS: Mapping[str, _Row] = {
    "allow": _Row(_public, "noAuth: everyone may pass."),
    "no_auth": _Row(_public, "noAuth: everyone may pass."),
    "noop": _Row(_public, "noAuth: everyone may pass."),
    "anonymous": _Row(_anonymous, "An authorizer's `anonymous`: who shows nothing may pass."),
    "unauthorized": _Row(_unauthorized, "No rule, so that nobody may pass."),
    "jwt": _Row(credentials.jwt, "jwt by the mesh where that says the same, else an authorizer's."),
    "oauth2_introspection": _Row(
        credentials.introspection, "An authorizer that accepts introspection: no token is lost."
    ),
    "oauth2_client_credentials": _Row(
        _client_credentials, "An authorizer that introspects; callers get tokens."
    ),
    "cookie_session": _Row(_session, "An authorizer that accepts a session of oauth2-proxy."),
    "bearer_token": _Row(_bearer_token, "An authorizer that accepts introspection."),
}
