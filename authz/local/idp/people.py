"""Who signs in, and the programs that sign them in: made up, and known to everyone.

The secrets here protect nothing; they are there because the protocol asks for one.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin


@dataclass(frozen=True, slots=True)
class User:
    """Somebody with an e-mail address, in some groups."""

    name: str
    groups: tuple[str, ...] = ()

    @property
    def claims(self) -> dict[str, Any]:
        """What tokens and `/userinfo` say of them (OpenID Connect Core 5.1)."""
        return {
            "sub": self.name,
            "email": f"{self.name}@example.com",
            "email_verified": True,
            "groups": list(self.groups),
        }


@dataclass(frozen=True)
class Client(ClientMixin):
    """A program. One without a secret is public: it can only prove itself by PKCE."""

    client_id: str
    secret: str = ""
    grants: tuple[str, ...] = ("authorization_code",)

    def get_client_id(self) -> str:
        """RFC 6749 2.2."""
        return self.client_id

    def get_default_redirect_uri(self) -> None:
        """None: it must be sent, so that it can be compared (RFC 9700 2.1)."""

    def get_allowed_scope(self, scope: str | None) -> str:
        """Whatever it asks for."""
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Any page of this machine, on any port (RFC 8252 7.3)."""
        host = urlsplit(redirect_uri).hostname or ""
        return host in {"127.0.0.1", "localhost"} or host.endswith(".localhost")

    def check_client_secret(self, client_secret: str) -> bool:
        """In constant time, as one does."""
        return bool(self.secret) and secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:  # noqa: ARG002  # authlib's signature
        """A public client sends no secret, a confidential one always does."""
        return (method == "none") is not bool(self.secret)

    def check_response_type(self, response_type: str) -> bool:
        """The authorization code flow is the only one (RFC 9700 2.1.2)."""
        return response_type == "code" and "authorization_code" in self.grants

    def check_grant_type(self, grant_type: str) -> bool:
        """What it registered for."""
        return grant_type in self.grants


USERS: Mapping[str, User] = {
    user.name: user for user in (User("alice", ("admins", "customers")), User("bob", ("customers",)))
}
CLIENTS: Mapping[str, Client] = {
    client.client_id: client
    for client in (
        Client("browser"),
        Client("robot", "robot-secret", ("client_credentials",)),
        Client("authz", "authz-secret", ("authorization_code", "client_credentials")),
    )
}
