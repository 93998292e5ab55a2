"""What is added to the requests of a rule, and what a template of Oathkeeper's says of the caller."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from authz.migrate.conversion.access import Access, Nobody, Public, Way
from authz.migrate.conversion.go_templates import Claim, Text

_EMPTY: Mapping[str, Any] = MappingProxyType({})
_OF_ANSWERS = frozenset(
    {"sub", "username", "client_id", "scope", "aud"}
)  # of an introspection; others are in `ext`
_OF_SESSIONS = {
    "sub": "sub",
    "email": "email",
    "groups": "groups",
    "preferred_username": "preferred_username",
}


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


def meant(said: Text | Claim | None, access: Sequence[Access]) -> Text | Claim | None:
    """The claim all who may be let in have by one name; what everyone is called, where nobody has any."""
    if isinstance(said, Text) or said is None:
        return said
    if all(isinstance(one, Nobody) or (isinstance(one, Public) and not one.silent) for one in access):
        subjects = {one.subject for one in access if isinstance(one, Public)}
        return Text(next(iter(subjects), "") if said.name == "sub" else "")
    kinds = {kind for one in access if isinstance(one, Way) for entry in one.accept for kind in entry}
    if "introspection" in kinds and said.name not in _OF_ANSWERS:
        return Claim(f"ext.{said.name}") if kinds == {"introspection"} and "." not in said.name else None
    if "session" in kinds and said.name not in _OF_SESSIONS:
        return None
    return said
