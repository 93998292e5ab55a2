"""The mutator `id_token`: who calls, in a signed token for the workload."""

import json
import re

from authz.migrate.conversion.model.access import Case
from authz.migrate.conversion.model.added import Added
from authz.migrate.conversion.pipeline import go_templates
from authz.migrate.conversion.pipeline.go_templates import Claim
from authz.migrate.report.rows import Contrast, text

_TOKEN_CLAIM = re.compile(r'"\{\{[^}]*\}\}"|\{\{[^}]*\}\}')


def convert(case: Case) -> Added:
    claims = _token_claims(case)
    if claims is None:
        return Added()
    issuer, ttl = case.text("issuer_url"), case.text("ttl") or "15m"
    message = (
        "The workload gets the token in x-auth-identity instead of Authorization, where the caller's own now "
        "stays, and finds the keys at the authorizer."
    )
    if "changed:id-token" not in case.ledger.accepted:
        question = f"{message} Has the workload been told?"
        case.ledger.ask(case.at(), question, "--accept changed:id-token", old="id_token", code="id-token")
    else:
        case.ledger.narrowed(case.at(), "id-token", message, Contrast("id_token", "identityToken"))
    case.ledger.kept(
        case.at("issuer_url"), "The same `iss`.", old=issuer, new=f"identityTokens.issuer: {issuer}"
    )
    case.ledger.kept(case.at("ttl"), "It lives as long, and an hour at most.", old=ttl)
    case.ledger.kept(
        case.at("jwks_url"), "Mount new keys; the old ones stay where they are.", old=case.text("jwks_url")
    )
    return Added(token={"claims": claims}, issuer=issuer, ttl=ttl)


def _token_claims(case: Case) -> dict[str, str] | None:
    """Of a template that is a JSON object with one claim in each value."""
    written = case.text("claims")
    if not written:
        return {}
    made: dict[str, str] = {}
    found = _TOKEN_CLAIM.findall(written)
    plain = _TOKEN_CLAIM.sub("null", written)
    try:
        names = list(json.loads(plain))
        sayings = [go_templates.meant(one.strip('"').replace('\\"', '"'), case.access) for one in found]
        is_plain = len(found) == len(names) and all(isinstance(one, Claim) for one in sayings)
    except ValueError:
        is_plain = False
    if not is_plain:
        question = (
            "Which claims of the caller's belong into the token? This template says more than claim by claim."
        )
        case.ledger.ask(case.at("claims"), question, f"edit {case.at('claims')}", old=written)
        return None
    made = {name: one.name for name, one in zip(names, sayings, strict=True) if isinstance(one, Claim)}
    made.pop("sub", None)
    case.ledger.kept(case.at("claims"), "The same claims.", old=written, new=text(made))
    return made
