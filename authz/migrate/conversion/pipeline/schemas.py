"""The settings that Oathkeeper 0.40 and Kyma know of each handler, and their types: else it answered 500.

Whoever wrote one meant something by it, so it is never read as if nothing were set.
"""

from collections.abc import Mapping
from typing import Any

from authz.migrate.conversion.model.access import Case

_FORWARDED = frozenset(
    {"check_session_url", "preserve_path", "preserve_query", "preserve_host", "force_method"}
    | {"forward_http_headers", "additional_headers", "subject_from", "extra_from"}
)

SETTINGS: dict[str, frozenset[str]] = {
    "allow": frozenset(),
    "no_auth": frozenset(),
    "noop": frozenset(),
    "unauthorized": frozenset(),
    "anonymous": frozenset({"subject"}),
    "jwt": frozenset(
        {"jwks_urls", "trusted_issuers", "required_scope", "target_audience", "scope_strategy", "token_from"}
        | {"allowed_algorithms", "jwks_max_wait", "jwks_ttl", "authentications", "authorizations"}
    ),
    "oauth2_introspection": frozenset(
        {"introspection_url", "introspection_request_headers", "pre_authorization", "required_scope"}
        | {"target_audience", "trusted_issuers", "scope_strategy", "token_from", "prefix"}
        | {"preserve_host", "retry", "cache"}
    ),
    "oauth2_client_credentials": frozenset({"token_url", "required_scope", "retry", "cache"}),
    "cookie_session": _FORWARDED | {"only"},
    "bearer_token": _FORWARDED | {"token_from", "prefix"},
    "header": frozenset({"headers"}),
    "cookie": frozenset({"cookies"}),
    "id_token": frozenset({"issuer_url", "jwks_url", "ttl", "claims"}),
    "hydrator": frozenset({"api", "cache"}),
    "deny": frozenset(),
    "keto_engine_acp_ory": frozenset(
        {"base_url", "required_action", "required_resource", "subject", "flavor"}
    ),
    "remote": frozenset({"remote", "headers", "forward_response_headers_to_upstream", "retry"}),
    "remote_json": frozenset(
        {"remote", "headers", "payload", "forward_response_headers_to_upstream", "retry"}
    ),
    "json": frozenset({"verbose", "when"}),
    "redirect": frozenset({"to", "code", "return_to_query_param", "when", "type"}),
    "www_authenticate": frozenset({"realm", "when"}),
}

_TEXTS = frozenset(
    {"jwks_urls", "trusted_issuers", "required_scope", "target_audience", "allowed_algorithms"}
    | {"only", "forward_http_headers"}
)
_MAPPINGS = frozenset(
    {"token_from", "introspection_request_headers", "pre_authorization", "retry", "cache"}
    | {"additional_headers", "headers", "cookies", "api"}
)
_FLAGS = frozenset({"preserve_path", "preserve_query", "preserve_host"})
_PLACES = frozenset({"header", "query_parameter", "cookie"})


def hold(case: Case) -> bool:
    """True if all settings do; each that does not is a question."""
    known = SETTINGS.get(case.handler.name, ())
    wrong = [(name, wanted) for name in case.names() if name in known and (wanted := _lacks(case, name))]
    for name, wanted in wrong:
        question = f"What does {name} mean? It has to be {wanted}: Oathkeeper answered 500 to everyone."
        case.ledger.ask(case.at(name), question, f"edit {case.at(name)}", old=case.get(name), code="type")
    return not wrong


def _lacks(case: Case, name: str) -> str:
    """What should stand there; nothing if it does, or if nothing is set."""
    value = case.get(name)
    if value is None:
        return ""
    wanted, is_so = _wanted(name, value)
    return "" if is_so else wanted


def _wanted(name: str, value: Any) -> tuple[str, bool]:
    if name in _TEXTS:
        return "a list of texts", isinstance(value, list) and all(isinstance(one, str) for one in value)
    if name in _OBJECTS:
        wanted, is_one = _OBJECTS[name]
        return f"a list of {wanted}", isinstance(value, list) and all(map(is_one, value))
    if name == "token_from":
        return f"one of {', '.join(sorted(_PLACES))} with a name", _is_place(value)
    if name in _MAPPINGS:
        return "an object", isinstance(value, Mapping)
    if name in _FLAGS:
        return "true or false", isinstance(value, bool)
    return "a text", isinstance(value, str)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_issuer(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(value.get(one), str) for one in ("issuer", "jwksUri")
    )


def _is_place(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        name in _PLACES and isinstance(one, str) for name, one in value.items()
    )


# Of Istio, in a list.
_OBJECTS = {
    "authentications": ("objects with issuer and jwksUri", _is_issuer),
    "authorizations": ("objects", _is_object),
}
