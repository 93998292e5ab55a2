"""oauth2-proxy, built from source by Go once and kept in the user's cache.

The one widely used neighbour that checks the same tokens; it answers over HTTP at `/oauth2/auth`.
"""

import os
import subprocess
from pathlib import Path

from benchmarks.process import LOOPBACK
from tests import idp

VERSION = "v7.15.3"
MODULE = "github.com/oauth2-proxy/oauth2-proxy/v7"
AUTH = "/oauth2/auth"

_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "authz" / "tools"


def program(go: str) -> Path:
    """Its path, built if it is not there: one to three minutes."""
    built = _CACHE / f"oauth2-proxy-{VERSION}" / "oauth2-proxy"
    if not built.exists():
        _build(go, built)
    return built


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


def _build(go: str, built: Path) -> None:
    """A command of a module that has `replace` directives can not be had by `go install`."""
    source = built.parent / "src"
    source.mkdir(parents=True, exist_ok=True)
    (source / "go.mod").write_text(f"module tools\n\ngo 1.24\n\nrequire {MODULE} {VERSION}\n")
    (source / "tools.go").write_text(f'//go:build tools\n\npackage tools\n\nimport _ "{MODULE}"\n')
    subprocess.run([go, "mod", "tidy", "-e"], cwd=source, check=True)  # noqa: S603  # our own arguments
    subprocess.run([go, "build", "-mod=mod", "-o", built, MODULE], cwd=source, check=True)  # noqa: S603  # our own arguments
