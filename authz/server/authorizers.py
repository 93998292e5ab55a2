"""The configured authorizers as the core knows them: settings in, values out."""

from typing import TypeVar

from authz import accept, tokens
from authz.config import Config
from authz.core.policy import (
    BEARER,
    Accept,
    Authorizer,
    Client,
    IdentityToken,
    Introspection,
    Jwt,
    Location,
    Session,
)

T = TypeVar("T")


def authorizers_of(settings: Config) -> dict[str, Authorizer]:
    """By name."""
    header = settings.identity_tokens.header
    return {
        one.name: Authorizer(
            one.name,
            tuple(map(_accept, one.accept)),
            dict(one.identity_headers),
            _identity_token(one.identity_token, header) if one.identity_token else None,
            one.anonymous.subject if one.anonymous else None,
        )
        for one in settings.authorizers
    }


def _identity_token(one: tokens.IdentityToken, header: str) -> IdentityToken:
    return IdentityToken(header, one.audience, dict(one.claims))


def _accept(one: accept.Accept) -> Accept:
    if one.jwt:
        return _jwt(one.jwt)
    return _introspection(one.introspection) if one.introspection else _session(_there(one.session))


def _there(value: T | None) -> T:
    assert value is not None  # noqa: S101  # the model holds exactly one
    return value


def _location(one: accept.TokenFrom | None) -> Location:
    if one is None:
        return BEARER
    return Location(one.header or "", "", param=one.param or "", cookie=one.cookie or "")


def _jwt(one: accept.Jwt) -> Jwt:
    return Jwt(
        issuer=one.issuer,
        jwks_uri=one.jwks_uri,
        audiences=frozenset(one.audiences),
        scopes=frozenset(one.scopes),
        algorithms=frozenset(one.algorithms),
        location=_location(one.token_from),
        leeway_s=one.leeway,
        profile=one.profile,
        audience_match=one.audience_match,
        scope_strategy=one.scope_strategy,
    )


def _introspection(one: accept.Introspection) -> Introspection:
    return Introspection(
        issuer=one.issuer,
        client=Client(one.client_id, one.auth, one.client_secret_file, one.key_file, one.cert_file),
        endpoint=one.endpoint or "",
        audiences=frozenset(one.audiences),
        scopes=frozenset(one.scopes),
        location=_location(one.token_from),
        leeway_s=one.leeway,
        ttl_s=one.ttl,
        negative_ttl_s=one.negative_ttl,
        calls=one.calls,
        audience_match=one.audience_match,
        scope_strategy=one.scope_strategy,
    )


def _session(one: accept.Session) -> Session:
    return Session(
        oauth2_proxy=one.oauth2_proxy.rstrip("/"),
        cookie_name=one.cookie_name,
        prefix=one.prefix,
        allowed_groups=frozenset(one.allowed_groups),
        allowed_emails=frozenset(one.allowed_emails),
        ttl_s=one.ttl,
        calls=one.calls,
    )
