"""What an old handler asks of a token: scopes, audiences, algorithms, and the place where it is carried."""

from collections.abc import Mapping
from typing import Any

from authz.migrate.conversion.model.access import Case
from authz.migrate.report.rows import Contrast, text

_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"}
)  # of Oathkeeper's, those that we accept


def strategy_of(case: Case) -> str | None:
    """How scopes are compared. With `none`, Oathkeeper refuses whoever a rule asks scopes of."""
    strategy, scopes = case.text("scope_strategy").lower() or "none", case.texts("required_scope")
    at = case.at("scope_strategy")
    if not scopes:
        case.ledger.kept(at, "No scope is asked for.", old=strategy)
        return "exact"
    if strategy in ("exact", "hierarchic", "wildcard"):
        if strategy == "wildcard" and "narrowed:scope-strategy" in case.ledger.accepted:
            message = "A token whose scope is a pattern, like shop.*, does not pass for shop.read any more."
            case.ledger.narrowed(at, "scope-strategy", message, Contrast(strategy, "exact"))
            return "exact"
        case.ledger.kept(at, "Scopes are compared in the same way.", old=strategy, new=strategy)
        return strategy
    question = "How are scopes compared? By scope_strategy none, as it is now, Oathkeeper refuses everyone."
    case.ledger.ask(at, question, "--oathkeeper-config FILE, or add scope_strategy to the rule", old=strategy)
    return None


def asked(case: Case, strategy: str) -> dict[str, Any]:
    scopes, wanted = case.texts("required_scope"), case.texts("target_audience")
    case.ledger.kept(case.at("required_scope"), "A token must have all of them.", old=scopes, new=scopes)
    case.ledger.kept(case.at("target_audience"), "A token must be for all of them.", old=wanted, new=wanted)
    made: dict[str, Any] = {"scopes": list(scopes)} if scopes else {}
    return made | ({"scopeStrategy": strategy} if strategy != "exact" else {}) | audiences(list(wanted))


def audiences(names: list[str]) -> dict[str, Any]:
    """A token must be for all of them."""
    made: dict[str, Any] = {"audiences": names} if names else {}
    return made | ({"audienceMatch": "all"} if len(names) > 1 else {})


def prefix(case: Case) -> str:
    """Of the tokens that the handler was for."""
    said = case.text("prefix")
    if said:
        message = f"The issuer is asked about tokens that do not begin with {said} too, and decides."
        case.ledger.widened(case.at("prefix"), "prefix", message, Contrast(said, "any token"))
    return said


def place(case: Case) -> dict[str, Any]:
    """Oathkeeper reads the first that is set of header, query parameter and cookie."""
    where = case.get("token_from")
    if not isinstance(where, Mapping) or not where:
        return {}
    names = {"header": "header", "query_parameter": "param", "cookie": "cookie"}
    old = next((name for name in names if where.get(name)), "")
    if not old or (old == "header" and str(where[old]).lower() == "authorization"):
        case.ledger.kept(case.at("token_from"), "The usual place.", old=text(where))
        return {}
    made = {names[old]: str(where[old]).lower() if old == "header" else str(where[old])}
    case.ledger.kept(case.at("token_from"), "The token is looked for there.", old=text(where), new=text(made))
    return {"tokenFrom": made}


def algorithms(case: Case) -> dict[str, Any] | None:
    named = case.texts("allowed_algorithms")
    at = case.at("allowed_algorithms")
    if not named:
        case.ledger.kept(at, "RS256, and what else the issuer publishes keys for.", old=named)
        return {}
    kept = [one for one in named if one in _ALGORITHMS]
    if len(kept) == len(named):
        case.ledger.kept(at, "These and no others.", old=named, new=kept)
        return {"algorithms": kept}
    if kept:
        message = "Symmetric and unsigned tokens are never accepted (RFC 8725)."
        case.ledger.narrowed(at, "algorithms", message, Contrast(named, kept))
        return {"algorithms": kept}
    question = (
        f"{', '.join(named)}: never accepted, for who can check such a token can make one. Which keys sign?"
    )
    case.ledger.ask(
        at, question, "have the issuer sign with RS256 or ES256, then edit allowed_algorithms", old=named
    )
    return None
