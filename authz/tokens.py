"""Identity tokens in the configuration: who signs them for all, and what each authorizer's say.

What can not work together is refused here, when the file is read, and not at a request.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from authz.values import Address, Duration, HeaderName, Section

TTL_MIN_S, TTL_MAX_S = (
    10.0,
    3_600.0,
)  # below, clocks differ by more; above, a revoked caller lives on for long

# Claims about time and place, which are ours to make (RFC 7519 4.1).
_OURS = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})


class IdentityTokens(Section):
    """Short-lived signed tokens that tell workloads who is calling. Without keys there are none."""

    keys: Annotated[tuple[Path, ...], Field(examples=[["/etc/authz/identity"]])] = ()
    """Private keys, PEM: files, or folders with *.pem and *.key. EC P-256 signs ES256, RSA RS256."""
    issuer: Annotated[str, Field(examples=["https://authz.example.com"])] = ""
    """Their `iss`."""
    ttl: Duration = 300.0
    """How long one lives, if the caller's credential does."""
    publish_ahead: Duration = 3_600.0
    """How long a new key is published before it signs: longer than workloads keep the key set."""
    header: HeaderName = "x-auth-identity"
    """Where workloads find it. Clients can not send it themselves."""
    listen: Address | None = None
    """Publishes /.well-known/jwks.json to workloads; the admin port has it too."""

    def model_post_init(self, _: object) -> None:
        """What verifiers need."""
        if self.keys and not self.issuer:
            raise ValueError("keys take an issuer")
        if not TTL_MIN_S <= self.ttl <= TTL_MAX_S:
            raise ValueError("ttl is 10s at least and 1h at most")


class IdentityToken(Section):
    """Tell workloads in a signed token who is calling; takes identityTokens."""

    audience: str = ""
    """Its `aud`. Empty: the host that was asked for."""
    claims: Mapping[str, str] = Field(
        default_factory=lambda: {"email": "email", "groups": "groups", "scope": "scope"}
    )
    """Claim of the token to claim of the caller, beside `sub`."""

    def model_post_init(self, _: object) -> None:
        """Nobody else may say who has signed, for whom and until when."""
        if ours := sorted(_OURS.intersection(self.claims)):
            raise ValueError(f"claims can not be set: {', '.join(ours)}")
