"""The settings that Oathkeeper 0.40 and Kyma know of each handler: what is not here, nobody ever read."""

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
