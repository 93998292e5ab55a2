"""What is added to the requests of a rule."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Added:
    """`headers` and `cookies` are the same for everyone, `claims` are header to claim of who calls."""

    headers: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    cookies: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    claims: Mapping[str, str] = field(default_factory=lambda: _EMPTY)
    token: Mapping[str, Any] | None = None  # identityToken of an authorizer
    issuer: str = ""
    ttl: str = ""

    def joined(self, other: "Added") -> "Added":
        """Both; of two that say the same, the later."""
        return Added(
            {**self.headers, **other.headers},
            {**self.cookies, **other.cookies},
            {**self.claims, **other.claims},
            other.token or self.token,
            other.issuer or self.issuer,
            other.ttl or self.ttl,
        )
