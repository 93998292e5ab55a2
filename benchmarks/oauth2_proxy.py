"""How oauth2-proxy is set up to check bearer tokens.

It is the one widely used neighbour that checks the same tokens; it answers over HTTP at `/oauth2/auth`.
"""

from pathlib import Path

from benchmarks.process import LOOPBACK
from tests import idp

AUTH = "/oauth2/auth"


def command(binary: Path, port: int, keys: str) -> list[str]:
    """Nothing is logged, nobody is redirected: what is measured is the check of a bearer token."""
    settings = {
        "http-address": f"{LOOPBACK}:{port}",
        "provider": "oidc",
        "oidc-issuer-url": idp.ISSUER,
        "skip-oidc-discovery": "true",
        "oidc-jwks-url": keys,
        "login-url": f"{idp.ISSUER}/login",
        "redeem-url": f"{idp.ISSUER}/token",
        "client-id": idp.AUDIENCE,
        "client-secret": "not-used",
        "cookie-secret": "0123456789abcdef",
        "email-domain": "*",
        "upstream": "static://202",
        "skip-jwt-bearer-tokens": "true",
        "request-logging": "false",
        "auth-logging": "false",
        "standard-logging": "false",
    }
    return [str(binary), *(f"--{name}={value}" for name, value in settings.items())]
