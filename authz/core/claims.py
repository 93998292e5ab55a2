"""What a token claims (RFC 7519 4.1, RFC 9068, RFC 8725): read once, judged at `now` on every request.

Reading does not depend on the time and may be remembered; no cache can make an expired token valid.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from typing import Any

from authz.core import scopes as granted
from authz.core.jwt import Jws
from authz.core.policy import SCOPE_CLAIMS, Introspection, Jwt, ScopeStrategy
from authz.core.reason import Reason, Refused

# RFC 8725 3.11 and 3.12: only what an issuer calls an access token, or leaves unnamed, is one.
_ACCESS_TOKEN_TYPES = frozenset({"jwt", "at+jwt"})
_OTHER_TYPES = frozenset({"id", "refresh", "offline", "logout"})  # Keycloak's claim `typ`
_PROFILE_CLAIMS = frozenset({"iss", "exp", "aud", "sub", "client_id", "iat", "jti"})  # RFC 9068 2.2
_ID_TOKEN_CLAIMS = frozenset({"at_hash", "c_hash"})  # OpenID Connect Core 3.1.3.6, 3.3.2.11
_LOGOUT_CLAIM = "events"  # OpenID Connect Back-Channel Logout 2.4, RFC 8417 2.2

ABSENT = object()  # null is a value

SHARED_MAX = 256  # sets of audiences of which one copy serves all tokens
SHARED_MAX_LENGTH = 8

_NUMBERS = frozenset({int, float})  # JSON's; a bool is none

_SECONDS_MAX = 2**53  # the integers all JSON readers agree on (RFC 8259 6); 285 million years


@dataclass(frozen=True, slots=True)
class Claims:
    """An access token's claims with the types they must have. Times are seconds since the epoch."""

    audiences: frozenset[str]
    starts: float
    expires: float
    all: Mapping[str, Any] = field(repr=False)

    def get(self, name: str) -> Any:
        """The claim of that name, else the member of one that `ext.email` leads to, else ABSENT."""
        found = self.all.get(name, ABSENT)
        return self._member(name) if found is ABSENT and "." in name else found

    def _member(self, path: str) -> Any:
        found: Any = self.all
        for name in path.split("."):
            found = found.get(name, ABSENT) if isinstance(found, Mapping) else ABSENT
        return found

    def has_scopes(self, scopes: frozenset[str], strategy: ScopeStrategy = "exact") -> bool:
        """True if one claim grants all of them."""
        if not scopes:
            return True
        return any(granted.grant(_scopes(self.all.get(name)), scopes, strategy) for name in SCOPE_CLAIMS)


def issuer(jws: Jws, accepted: tuple[Jwt, ...]) -> Jwt:
    """The one accepted whose issuer the token names, to the letter (RFC 7519 4.1.1).

    Raises Refused: ISSUER_UNKNOWN, ALGORITHM_REFUSED where the token's is not on its list, TOKEN_KIND or
    CLAIMS_MALFORMED where it is to keep to RFC 9068 and does not.
    """
    for accept in accepted:
        if accept.issuer == jws.claims.get("iss"):
            if jws.algorithm not in accept.algorithms:
                raise Refused(Reason.ALGORITHM_REFUSED)
            if accept.profile == "rfc9068":
                _check_profile(jws)
            return accept
    raise Refused(Reason.ISSUER_UNKNOWN)


def read(jws: Jws) -> Claims:
    """Raises Refused: TOKEN_KIND for other tokens than access tokens, or CLAIMS_MALFORMED.

    `sub` and `exp` are required; `starts` is the later of `nbf` and `iat`.
    """
    claims = jws.claims
    _check_kind(jws)
    if not isinstance(claims.get("sub"), str) or not claims["sub"] or "exp" not in claims:
        raise Refused(Reason.CLAIMS_MALFORMED)
    return typed(claims)


def typed(claims: Mapping[str, Any]) -> Claims:
    """The registered claims that are there. Raises Refused(CLAIMS_MALFORMED)."""
    starts = max(_seconds(claims.get("nbf", 0)), _seconds(claims.get("iat", 0)))
    expires = _seconds(claims["exp"]) if "exp" in claims else inf
    return Claims(_audiences(claims.get("aud", [])), starts, expires, claims)


def check(claims: Claims, accept: Jwt | Introspection, now: float) -> None:
    """Raises Refused: TOKEN_EXPIRED, TOKEN_NOT_YET_VALID, AUDIENCE_MISMATCH or SCOPE_MISSING."""
    if now >= claims.expires + accept.leeway_s:
        raise Refused(Reason.TOKEN_EXPIRED)
    if now < claims.starts - accept.leeway_s:
        raise Refused(Reason.TOKEN_NOT_YET_VALID)
    if accept.audiences and not _is_for(accept, claims.audiences):
        raise Refused(Reason.AUDIENCE_MISMATCH)
    if accept.scopes and not claims.has_scopes(accept.scopes, accept.scope_strategy):
        raise Refused(Reason.SCOPE_MISSING, tuple(sorted(accept.scopes)))


def _is_for(accept: Jwt | Introspection, audiences: frozenset[str]) -> bool:
    if accept.audience_match == "all":
        return accept.audiences <= audiences
    return not accept.audiences.isdisjoint(audiences)


def is_of_other_kind(claims: Mapping[str, Any]) -> bool:
    """An ID token, a refresh token, a logout token."""
    return (
        str(claims.get("typ", "")).lower() in _OTHER_TYPES
        or not _ID_TOKEN_CLAIMS.isdisjoint(claims)
        or _LOGOUT_CLAIM in claims
    )


def _check_kind(jws: Jws) -> None:
    """Amazon Cognito says in `token_use` what it is."""
    use = jws.claims.get("token_use", "access")
    if _kind(jws) not in _ACCESS_TOKEN_TYPES or use != "access" or is_of_other_kind(jws.claims):
        raise Refused(Reason.TOKEN_KIND)


def _check_profile(jws: Jws) -> None:
    """RFC 9068 2.1, 2.2 and 4."""
    if _kind(jws) != "at+jwt":
        raise Refused(Reason.TOKEN_KIND)
    if not jws.claims.keys() >= _PROFILE_CLAIMS:
        raise Refused(Reason.CLAIMS_MALFORMED)


def _kind(jws: Jws) -> str:
    """RFC 7515 4.1.9: `application/` may be left out."""
    return jws.kind.lower().removeprefix("application/")


def _scopes(claim: Any) -> frozenset[str]:
    """RFC 6749 3.3 has them in one string; some issuers send a list."""
    match claim:
        case str():
            return frozenset(claim.split(" "))
        case list():
            return frozenset(scope for scope in claim if isinstance(scope, str))
        case _:
            return frozenset()


def _audiences(value: Any) -> frozenset[str]:
    """RFC 7519 4.1.3: a string or a list of strings."""
    if isinstance(value, str):
        return _shared((value,))
    if not isinstance(value, list) or not all(isinstance(audience, str) for audience in value):
        raise Refused(Reason.CLAIMS_MALFORMED)
    return _shared(tuple(value)) if len(value) <= SHARED_MAX_LENGTH else frozenset(value)


@lru_cache(SHARED_MAX)
def _shared(audiences: tuple[str, ...]) -> frozenset[str]:
    """Thousands of tokens name the same few."""
    return frozenset(audiences)


def _seconds(value: Any) -> float:
    """A NumericDate (RFC 7519 2). Infinity, and integers that no float can hold, are none."""
    if type(value) not in _NUMBERS or not -_SECONDS_MAX < value < _SECONDS_MAX:
        raise Refused(Reason.CLAIMS_MALFORMED)
    return float(value)
