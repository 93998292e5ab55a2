"""Tokens by name, good ones and those that an attacker or an accident would bring.

Each is made once, with the key of the moment, so that it can be shown again after the key has gone.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hmac import digest
from typing import Any

from authz.local.idp.issuer import Issuer
from authz.local.idp.people import USERS

CLEARLY_S = 120  # the mesh tolerates clocks that differ by 60

Make = Callable[[Issuer], str]


class Wallet:
    """The tokens of one run, made when they are first asked for."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer
        self._made: dict[str, str] = {}

    def token(self, name: str) -> str:
        """The one of that name, always the same."""
        if name not in self._made:
            self._made[name] = TOKENS[name](self._issuer)
        return self._made[name]


def claims(issuer: Issuer, scope: str = "", **changes: Any) -> dict[str, Any]:
    """Those of Alice's ordinary token for the shop, with some changed."""
    return issuer.claims(USERS["alice"], "browser", scope, "shop") | changes


def _with(scope: str = "", **changes: Any) -> Make:
    return lambda issuer: issuer.sign(claims(issuer, scope, **changes))


def _expired(issuer: Issuer) -> str:
    return issuer.sign(claims(issuer, exp=int(time.time()) - CLEARLY_S))


def _unsigned(issuer: Issuer) -> str:
    """RFC 8725 2.1: the header says that there is nothing to check."""
    return _part({"alg": "none", "typ": "at+jwt"}) + "." + _part(claims(issuer)) + "."


def _public_key_as_secret(issuer: Issuer) -> str:
    """RFC 8725 2.1: a verifier that asks the token for the algorithm takes the public key for a secret."""
    signed = _part({"alg": "HS256", "kid": issuer.kid, "typ": "at+jwt"}) + "." + _part(claims(issuer))
    return signed + "." + _base64url(digest(issuer.key.as_pem(private=False), signed.encode(), "sha256"))


def _unknown_key(issuer: Issuer) -> str:
    return Issuer(issuer.url).sign(claims(issuer))


def _same_name(issuer: Issuer) -> str:
    """Another's key under the name of ours."""
    return Issuer(issuer.url).sign(claims(issuer), kid=issuer.kid)


def _identity(issuer: Issuer) -> str:
    """An ID token, which is for the client and opens nothing (RFC 9068 5)."""
    return issuer.sign(claims(issuer, at_hash="x"), typ="JWT")


def _part(value: dict[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


TOKENS: Mapping[str, Make] = {
    "good": _with(),
    "new": _with(),
    "reader": _with("orders:read"),
    "writer": _with("orders:write"),
    "analyst": _with("reports:read profile"),
    "garbage": lambda _: "not-a-token",
    "expired": _expired,
    "audience": _with(aud="elsewhere"),
    "issuer": _with(iss="https://idp.example.com"),
    "none": _unsigned,
    "hs256": _public_key_as_secret,
    "unknown-key": _unknown_key,
    "same-name": _same_name,
    "identity": _identity,
}
