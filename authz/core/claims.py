"""What a verified token claims, judged at `now` on every request (RFC 7519 4.1, RFC 9068, RFC 8725).

Nothing here is remembered: no cache can make an expired token valid.
"""

from collections.abc import Mapping
from typing import Any

from authz.core.jwt import Jws
from authz.core.policy import Jwt
from authz.core.reason import Reason, Refused

# RFC 8725 3.11 and 3.12: only what an issuer calls an access token, or leaves unnamed, is one.
_ACCESS_TOKEN_TYPES = frozenset({"jwt", "at+jwt"})
_OTHER_TYPES = frozenset({"id", "refresh", "offline", "logout"})  # Keycloak's claim `typ`
_ID_TOKEN_CLAIMS = frozenset({"at_hash", "c_hash"})  # OpenID Connect Core 3.1.3.6, 3.3.2.11
_SECONDS_MAX = 2**53  # the integers all JSON readers agree on (RFC 8259 6); 285 million years
_LOGOUT_CLAIM = "events"  # OpenID Connect Back-Channel Logout 2.4, RFC 8417 2.2


def issuer(jws: Jws, accepted: tuple[Jwt, ...]) -> Jwt:
    """The one accepted whose issuer the token names, to the letter (RFC 7519 4.1.1).

    Raises Refused: ISSUER_UNKNOWN, or ALGORITHM_REFUSED where the token's is not on its list.
    """
    for accept in accepted:
        if accept.issuer == jws.claims.get("iss"):
            if jws.algorithm not in accept.algorithms:
                raise Refused(Reason.ALGORITHM_REFUSED)
            return accept
    raise Refused(Reason.ISSUER_UNKNOWN)


def check(jws: Jws, accept: Jwt, now: float) -> None:
    """Raises Refused with the first fault: kind, subject, time, audience. The issuer was chosen by name."""
    _check_kind(jws)
    if not isinstance(jws.claims.get("sub"), str) or not jws.claims["sub"]:
        raise Refused(Reason.CLAIMS_MALFORMED)
    _check_time(jws.claims, now, accept.leeway_s)
    audiences = audiences_of(jws.claims)
    if accept.audiences and accept.audiences.isdisjoint(audiences):
        raise Refused(Reason.AUDIENCE_MISMATCH)


def audiences_of(claims: Mapping[str, Any]) -> list[str]:
    """RFC 7519 4.1.3: a string or a list of strings. Raises Refused(CLAIMS_MALFORMED) otherwise."""
    value = claims.get("aud", [])
    audiences = [value] if isinstance(value, str) else value
    if not isinstance(audiences, list) or not all(isinstance(audience, str) for audience in audiences):
        raise Refused(Reason.CLAIMS_MALFORMED)
    return audiences


def _check_kind(jws: Jws) -> None:
    claims = jws.claims
    kind = jws.kind.lower().removeprefix("application/")
    if (
        kind not in _ACCESS_TOKEN_TYPES
        or str(claims.get("typ", "")).lower() in _OTHER_TYPES
        or claims.get("token_use", "access") != "access"  # Amazon Cognito
        or _ID_TOKEN_CLAIMS & claims.keys()
        or _LOGOUT_CLAIM in claims
    ):
        raise Refused(Reason.TOKEN_KIND)


def _check_time(claims: Mapping[str, Any], now: float, leeway_s: float) -> None:
    expires = _seconds(claims, "exp")
    if expires is None:
        raise Refused(Reason.CLAIMS_MALFORMED)
    if now >= expires + leeway_s:
        raise Refused(Reason.TOKEN_EXPIRED)
    for name in ("nbf", "iat"):
        starts = _seconds(claims, name)
        if starts is not None and now < starts - leeway_s:
            raise Refused(Reason.TOKEN_NOT_YET_VALID)


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    """A NumericDate (RFC 7519 2), or None if the claim is absent."""
    value = claims.get(name)
    if value is None and name not in claims:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Refused(Reason.CLAIMS_MALFORMED)
    if not -_SECONDS_MAX < value < _SECONDS_MAX:  # also infinity, and integers no float can hold
        raise Refused(Reason.CLAIMS_MALFORMED)
    return value
