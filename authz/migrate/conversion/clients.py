"""Hydra's OAuth2Clients as settings for whoever issues tokens from now on, and for oauth2-proxy.

They are written as RFC 7591 names them, which every identity provider understands. No secret is read.
"""

from collections.abc import Mapping
from typing import Any

from authz.migrate.old.rule import Client, Origin
from authz.migrate.report.rows import UNKNOWN, Contrast, Ledger, text

Document = dict[str, Any]

# Fields of the custom resource, with the client metadata of RFC 7591 and of OpenID Connect.
_METADATA = {
    "clientName": "client_name",
    "grantTypes": "grant_types",
    "responseTypes": "response_types",
    "redirectUris": "redirect_uris",
    "scope": "scope",
    "scopeArray": "scope",
    "tokenEndpointAuthMethod": "token_endpoint_auth_method",
    "jwksUri": "jwks_uri",
    "postLogoutRedirectUris": "post_logout_redirect_uris",
    "frontChannelLogoutURI": "frontchannel_logout_uri",
    "frontChannelLogoutSessionRequired": "frontchannel_logout_session_required",
    "backChannelLogoutURI": "backchannel_logout_uri",
    "backChannelLogoutSessionRequired": "backchannel_logout_session_required",
}
_LISTS = frozenset({"grantTypes", "responseTypes", "redirectUris", "scopeArray", "postLogoutRedirectUris"})
_FLAGS = frozenset({"frontChannelLogoutSessionRequired", "backChannelLogoutSessionRequired"})
# What no standard names: it belongs into the identity provider's own settings.
_ELSEWHERE = {
    "audience": "Audiences the client may ask for: a setting of your identity provider.",
    "allowedCorsOrigins": "Origins that may call the token endpoint: a setting of your identity provider.",
    "metadata": "Free text of yours; keep it where you keep the client.",
    "tokenLifespans": "How long tokens live: a setting of your identity provider.",
    "accessTokenStrategy": "opaque or jwt: the authorizer takes both, each by a kind of its own.",
    "skipConsent": "Whether people are asked: a setting of your identity provider.",
    "secretName": "The Secret has the client's id and secret, which go on working with Hydra.",
    "hydraAdmin": "Where Hydra was administered.",
    "deletionPolicy": "What became of the client with the object.",
}


def convert(client: Client, accepted: frozenset[str]) -> tuple[Document, Ledger]:
    """The client's settings, and the rows about it."""
    ledger = Ledger(Origin(client.origin_file, "OAuth2Client", client.name, client.namespace), accepted)
    made: Document = {}
    for field, value in client.spec.items():
        at = f"spec.{field}"
        if _is_of_another_type(field, value):
            ledger.ask(
                at, f"What is {field}? It has to be {_wanted(field)}.", f"edit {at}", old=value, code="type"
            )
        elif name := _METADATA.get(field):
            made[name] = " ".join(value) if field == "scopeArray" else value
            ledger.kept(at, "The same, as RFC 7591 names it.", old=value, new=f"{name}: {text(made[name])}")
        elif known := _ELSEWHERE.get(field):
            ledger.kept(at, known, old=value)
        else:
            message = "No standard has this field; nothing is made of it."
            ledger.narrowed(at, UNKNOWN, message, Contrast(value))
    made.setdefault("client_name", client.name)
    return {"kept_in": f"OAuth2Client {client.key}"} | made | _of_proxy(made), ledger


def _is_of_another_type(field: str, value: Any) -> bool:
    if field in _LISTS:
        return not (isinstance(value, list) and all(isinstance(one, str) for one in value))
    return field in _METADATA and field not in _FLAGS and not isinstance(value, str)


def _wanted(field: str) -> str:
    return "a list of texts" if field in _LISTS else "a text"


def _of_proxy(made: Mapping[str, Any]) -> Document:
    """People sign in with an authorization code; oauth2-proxy is the client that asks for it."""
    if "authorization_code" not in made.get("grant_types", ()):
        return {}
    redirects = made.get("redirect_uris") or ["https://HOST/oauth2/callback"]
    return {
        "oauth2_proxy": {
            "provider": "oidc",
            "redirect_url": redirects[0],
            "scope": made.get("scope", "openid"),
            "code_challenge_method": "S256",
            "set_xauthrequest": True,
            "upstreams": ["static://200"],
        }
    }
