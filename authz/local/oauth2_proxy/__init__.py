"""oauth2-proxy as it should be run behind the authorizer: hardened, and asked by nobody else.

This machine has plain HTTP only, so that cookies can be neither Secure nor `__Host-`; a cluster's are both.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from authz.local.ports import LOOPBACK


@dataclass(frozen=True, slots=True)
class Login:
    """One oauth2-proxy. Sessions are kept in the cookie unless there is a `redis` (a URL)."""

    port: int
    issuer: str
    client: str
    secret: str
    cookie_name: str
    prefix: str = "/oauth2"
    refresh: str = "1m"
    redis: str = ""


def command(program: Path, folder: Path, login: Login) -> list[str]:
    """How it is run; its secrets are put into `folder`, for a command line is everybody's to read."""
    for name, secret in (("client", login.secret), ("cookie", secrets.token_hex(16))):
        (folder / f"{name}-secret").write_text(secret, encoding="utf-8")
    return [str(program), *(f"--{name}={value}" for name, value in _settings(folder, login).items())]


def _settings(folder: Path, login: Login) -> dict[str, str]:
    logout = f"{login.issuer}/protocol/openid-connect/logout?id_token_hint={{id_token}}"
    return {
        "http-address": f"{LOOPBACK}:{login.port}",
        "reverse-proxy": "true",
        "trusted-proxy-ip": LOOPBACK,
        "real-client-ip-header": "X-Envoy-External-Address",
        "proxy-prefix": login.prefix,
        "upstream": "static://202",
        "set-xauthrequest": "true",
        "provider": "oidc",
        "oidc-issuer-url": login.issuer,
        "client-id": login.client,
        "client-secret-file": str(folder / "client-secret"),
        "scope": "openid email profile",
        "oidc-groups-claim": "groups",
        "email-domain": "*",
        "skip-provider-button": "true",
        "code-challenge-method": "S256",
        "insecure-oidc-skip-nonce": "false",
        "cookie-name": login.cookie_name,
        "cookie-secret-file": str(folder / "cookie-secret"),
        "cookie-secure": "false",
        "cookie-samesite": "lax",
        "cookie-csrf-per-request": "true",  # or parallel tabs would overwrite each other's
        "cookie-csrf-per-request-limit": "25",  # or many would make every request too large (431)
        "cookie-csrf-expire": "5m",
        "cookie-expire": "8h",
        "cookie-refresh": login.refresh,
        "backend-logout-url": logout,
        "request-logging": "false",
        "auth-logging": "false",
        "show-debug-on-error": "false",
        "custom-templates-dir": str(Path(__file__).parent),  # error.html, which says what one can do
    } | ({"session-store-type": "redis", "redis-connection-url": login.redis} if login.redis else {})
