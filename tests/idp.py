"""A make-believe identity provider: keys, tokens good and bad, and its two documents over a fake wire."""

import base64
import hmac
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authz.core.policy import Authorizer, Jwt
from tests.far_end import FarEnd

NOW = 1_800_000_000.0
ISSUER = "https://idp.example.com"
AUDIENCE = "shop"

_RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
_EC = ECKey.generate_key("P-256", {"kid": "ec"})
_ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
_STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})

KEYS: dict[str, Any] = {"RS256": _RSA, "PS256": _RSA, "RS384": _RSA, "ES256": _EC, "EdDSA": _ED}

ACCEPT = Jwt(issuer=ISSUER, audiences=frozenset({AUDIENCE}), leeway_s=30)
AUTHORIZER = Authorizer("keycloak", (ACCEPT,), {"x-auth-subject": "sub", "x-auth-email": "email"})

CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "alice",
    "aud": AUDIENCE,
    "exp": NOW + 300,
    "iat": NOW,
    "scope": "read write",
    "email": "alice@example.com",
}


def claims(**changes: Any) -> dict[str, Any]:
    """The good claims with some changed; None takes one out."""
    return {name: value for name, value in (CLAIMS | changes).items() if value is not None}


def sign(payload: dict[str, Any] | str | bytes, algorithm: str = "RS256", **header: Any) -> str:
    """A compact JWS. Header members given as None are left out."""
    protected = {"alg": algorithm, "kid": KEYS[algorithm].kid, "typ": "at+jwt"} | header
    text = json.dumps(payload) if isinstance(payload, dict) else payload
    present = {name: value for name, value in protected.items() if value is not None}
    return glue(present, text, KEYS[algorithm])


def glue(header: dict[str, Any] | str, payload: str | bytes, key: Any = None, signature: bytes = b"") -> str:
    """Three parts as they are told to be, signed with the algorithm that the header names if it can be."""
    text = json.dumps(header) if isinstance(header, dict) else header
    signed = f"{base64url(text)}.{base64url(payload)}"
    if key is not None and isinstance(header, dict):
        signature = jws.JWSRegistry.algorithms[header["alg"]].sign(signed.encode(), key)
    return f"{signed}.{base64url(signature)}"


def base64url(value: str | bytes) -> str:
    """RFC 7515 2: no padding."""
    raw = value.encode() if isinstance(value, str) else value
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def stranger(payload: dict[str, Any]) -> str:
    """Signed by somebody else's key under a kid of ours."""
    return glue({"alg": "RS256", "kid": "rsa"}, json.dumps(payload), _STRANGER)


def public_keys() -> dict[str, Any]:
    """The JWK Set."""
    return {"keys": [key.as_dict(private=False) for key in (_RSA, _EC, _ED)]}


def hmac_with_public_key(payload: dict[str, Any]) -> str:
    """HS256 with the public RSA key as its secret (RFC 8725 2.1)."""
    unsigned = glue({"alg": "HS256", "kid": "rsa"}, json.dumps(payload)).removesuffix(".")
    mac = hmac.digest(_RSA.as_pem(private=False), unsigned.encode(), "sha256")
    return f"{unsigned}.{base64url(mac)}"


def transport() -> FarEnd:
    """Answers discovery and keys."""
    documents: dict[str, Any] = {
        "/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
        "/keys": public_keys(),
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=_streamed(json.dumps(documents[request.url.path]).encode()))

    return FarEnd(answer)


async def _streamed(body: bytes) -> AsyncIterator[bytes]:
    yield body
