"""What an issuer says of a token that only it can read (RFC 7662 2.2): read once, judged on every request."""

from typing import Any

from authz.core import claims, strict
from authz.core.claims import Claims
from authz.core.policy import Introspection
from authz.core.reason import Reason, Refused

# Hydra and Cognito say what kind of token it is, Keycloak does in `typ`, others in the place of `Bearer`.
_ACCESS_USES = frozenset({"access", "access_token"})
_OTHER_TYPES = frozenset({"refresh_token", "id_token"})


def read(document: bytes) -> Claims | Reason:
    """The claims of an active access token, or why it is none. Raises ValueError for what is no answer."""
    answer = strict.read(document)
    if answer.get("active") is not True:
        return Reason.TOKEN_INACTIVE
    try:
        return _read(answer)
    except Refused as refused:
        return refused.reason


def check(answer: Claims, accept: Introspection, now: float) -> None:
    """Raises Refused: ISSUER_UNKNOWN, TOKEN_EXPIRED, TOKEN_NOT_YET_VALID or AUDIENCE_MISMATCH."""
    if answer.all.get("iss", accept.issuer) != accept.issuer:
        raise Refused(Reason.ISSUER_UNKNOWN)
    claims.check(answer, accept, now)


def _read(answer: dict[str, Any]) -> Claims:
    """All members but `active` are optional (2.2); one that is there has the type it must have."""
    texts = [answer.get(name, "") for name in ("iss", "sub", "token_use", "token_type")]
    if not all(isinstance(text, str) for text in texts):
        raise Refused(Reason.CLAIMS_MALFORMED)
    use, kind = answer.get("token_use", "access"), answer.get("token_type", "")
    if use not in _ACCESS_USES or kind.lower() in _OTHER_TYPES or claims.is_of_other_kind(answer):
        raise Refused(Reason.TOKEN_KIND)
    return claims.typed(answer)
