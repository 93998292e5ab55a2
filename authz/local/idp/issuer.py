"""The issuer: one signing key, the claims of an access token, and signatures over any claims at all.

Tests and the demo use it in-process to sign what no honest provider would.
"""

import secrets
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import RSAKey

from authz.local.idp.people import User

ALGORITHM = "RS256"
TOKEN_LIFETIME_S = 3600  # to try things out with one token; a real provider would give minutes


class Issuer:
    """`url` is the `iss` of its tokens. It has one key at a time; a rotation forgets the last."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.rotate()

    def rotate(self) -> None:
        """Make a new key and drop the old one: its tokens are then nobody's."""
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": ALGORITHM}, auto_kid=True)

    @property
    def kid(self) -> str:
        """The key's name in the set."""
        return str(self.key.kid)

    def jwks(self) -> dict[str, Any]:
        """The public key, as a JWK Set."""
        return {"keys": [self.key.as_dict(private=False)]}

    def claims(self, user: User, client: str, scope: str, audience: str) -> dict[str, Any]:
        """Those of an access token (RFC 9068 2.2) that is issued now."""
        now = int(time.time())
        times = {"iat": now, "exp": now + TOKEN_LIFETIME_S, "jti": secrets.token_urlsafe(12)}
        granted = {"scope": scope} if scope else {}
        return {"iss": self.url, "aud": audience, "client_id": client, **times, **granted, **user.claims}

    def sign(self, claims: dict[str, Any], **header: str) -> str:
        """A compact JWS with the current key, of type `at+jwt` unless `header` says otherwise."""
        return jwt.encode({"alg": ALGORITHM, "kid": self.kid, "typ": "at+jwt"} | header, claims, self.key)

    def read(self, token: str) -> dict[str, Any]:
        """The claims of a token of ours that is still good. Raises JoseError or ValueError otherwise."""
        claims = jwt.decode(token, self.key, [ALGORITHM]).claims
        if claims["exp"] <= time.time():
            raise ValueError("expired")
        return claims
