"""Signed tokens and introspected ones: the two handlers that most protected rules have."""

import base64
import re
from collections.abc import Mapping
from typing import Any

from authz.migrate.conversion.model.access import SECRETS, Access, Case, Secret, Way, site, slug
from authz.migrate.conversion.pipeline import issuers, terms
from authz.migrate.report.rows import text

CLIENT = "authz"  # who we are to an issuer, where no old setting says


def jwt(case: Case) -> list[Access]:
    if "authentications" in case.handler.config:
        return _by_mesh(case)
    found = issuers.pairs(case)
    strategy = terms.strategy_of(case)
    if not found or strategy is None:
        return []
    scopes, audiences = case.texts("required_scope"), case.texts("target_audience")
    where, algorithms = terms.place(case), terms.algorithms(case)
    if algorithms is None:
        return []
    common = terms.asked(case, strategy) | algorithms | where
    accept = [{"jwt": {"issuer": issuer, "jwksUri": url} | common} for issuer, url in found]
    if not audiences:
        message = "None was asked for: what the issuer signs for anybody passes, as before."
        case.ledger.kept(case.at("target_audience"), message, new="any audience")
        accept = [{"jwt": {**one["jwt"], "anyAudience": True}} for one in accept]
    if where or algorithms or strategy != "exact" or any("*" in one for one in (*scopes, *audiences)):
        return [Way(tuple(accept))]
    return [Way(tuple(accept), _mesh(found, scopes, audiences))]


def _mesh(
    found: tuple[issuers.Pair, ...], scopes: tuple[str, ...], audiences: tuple[str, ...]
) -> dict[str, Any]:
    made: dict[str, Any] = {"authentications": [{"issuer": issuer, "jwksUri": url} for issuer, url in found]}
    asked = {"requiredScopes": list(scopes), "audiences": list(audiences)}
    if scopes or audiences:
        made["authorizations"] = [{name: values for name, values in asked.items() if values}]
    return made


def _by_mesh(case: Case) -> list[Access]:
    """Kyma's second flavour is Istio's own, and stays as it is."""
    config = case.handler.config
    if not config["authentications"]:
        question = "Whose tokens are accepted? The list of authentications is empty."
        case.ledger.ask(case.at("authentications"), question, "name an issuer and its jwksUri there")
        return []
    for name in ("authentications", "authorizations"):
        if name in config:
            case.ledger.kept(
                case.at(name), "The mesh checks it as before.", old=text(config[name]), new=f"jwt.{name}"
            )
    made = {name: config[name] for name in ("authentications", "authorizations") if config.get(name)}
    return [Way(_as_ours(made), made, by_mesh=True)]


def _as_ours(mesh: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """The same for an authorizer, as far as it can say it: one place of tokens, one way to be authorized."""
    ways, asked = mesh.get("authentications"), mesh.get("authorizations") or [{}]
    if not isinstance(ways, list) or not isinstance(asked, list) or len(asked) != 1:
        return ()
    if not all(isinstance(one, Mapping) and set(one) <= {"issuer", "jwksUri"} for one in ways):
        return ()
    scopes, audiences = asked[0].get("requiredScopes"), asked[0].get("audiences")
    common = ({"scopes": scopes} if scopes else {}) | terms.audiences(audiences or [])
    return tuple({"jwt": {**one} | common | ({} if audiences else {"anyAudience": True})} for one in ways)


def introspection(case: Case) -> list[Access]:
    url = case.text("introspection_url")
    if not url:
        question = "Who is asked about these tokens? Neither the rule nor Oathkeeper's configuration says it."
        answer = "--oathkeeper-config FILE, or add introspection_url to the rule"
        case.ledger.ask(case.at("introspection_url"), question, answer)
        return []
    issuer, strategy = issuers.one(case, url, "introspection_url"), terms.strategy_of(case)
    client, is_known = _client(case)
    if not issuer or strategy is None or not is_known:
        return []
    case.ledger.kept(case.at("introspection_url"), "Our introspection asks there.", old=url, new=url)
    path = f"{SECRETS}/{slug(client)}-at-{site(issuer)}"
    made = {"issuer": issuer, "endpoint": url, "clientId": client, "clientSecretFile": path}
    made |= terms.asked(case, strategy) | terms.place(case) | _cache(case)
    secret = Secret(path, f"the secret of the client {client} at {issuer}")
    return [Way(({"introspection": made},), secrets=(secret,), prefix=terms.prefix(case))]


def _client(case: Case) -> tuple[str, bool]:
    """Who Oathkeeper was to the issuer; False where a person has to say more. No secret leaves here."""
    headers, before = case.get("introspection_request_headers"), case.get("pre_authorization")
    client, is_known = "", True
    if isinstance(before, Mapping) and before.get("enabled"):
        client = str(before.get("client_id") or "")
        message = (
            "We show the same client's id and secret with each question, instead of a token got beforehand."
        )
        case.ledger.kept(
            case.at("pre_authorization"), message, old=f"client {client}", new="client_secret_basic"
        )
    elif before is not None:
        case.ledger.kept(case.at("pre_authorization"), "It was off.")
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        at = f"{case.at('introspection_request_headers')}.{name}"
        if name.lower() == "authorization" and (found := _basic(str(value))):
            client = found
            case.ledger.kept(at, "The same client; mount its secret as a file.", old="Basic ***", new=client)
        elif name.lower() in ("x-forwarded-proto", "accept", "content-type"):
            case.ledger.kept(at, "Our question needs no such header.", old=value)
        else:
            question = "Our questions carry no headers of your own. Which client may ask this issuer?"
            case.ledger.ask(
                at, question, "edit introspection_request_headers: Authorization: Basic, or none", old="***"
            )
            is_known = False
    return client or CLIENT, is_known


def _basic(value: str) -> str:
    """RFC 7617: the name alone."""
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        name, colon, _ = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return ""
    return name if colon else ""


def _cache(case: Case) -> dict[str, Any]:
    """Oathkeeper keeps answers only if it is told to; we do for a second, so that a burst asks once."""
    cache = case.get("cache")
    settings: Mapping[str, Any] = cache if isinstance(cache, Mapping) else {}
    ttl = str(settings.get("ttl") or "")
    if settings.get("enabled") and re.fullmatch(r"[0-9]+(ms|s|m|h)", ttl):
        case.ledger.kept(
            case.at("cache"), "Answers are kept for as long.", old=text(settings), new=f"ttl: {ttl}"
        )
        return {"ttl": ttl}
    message = "Answers are kept for a second, so a revoked token passes that long. 30s spare the issuer much."
    case.ledger.kept(case.at("cache"), message, old=text(settings), new="ttl: 1s")
    return {"ttl": "1s"}
