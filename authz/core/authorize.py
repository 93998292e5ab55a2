"""Whether an identity meets a rule, and the allowance that follows.

Scopes and audiences mean what they mean in Istio's policies for the same rule.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

from authz.core import cookies
from authz.core.claims import Claims
from authz.core.decision import Allow
from authz.core.policy import Policy, Requirement, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request

COMBINATIONS_MAX = 1_024  # which of the identity headers a caller has; a handful in practice


def require(claims: Claims, any_of: tuple[Requirement, ...]) -> None:
    """Raises Refused: SCOPE_MISSING with the scopes that would do, or AUDIENCE_MISMATCH."""
    if not any_of:
        return
    addressed = [one for one in any_of if one.audiences <= claims.audiences]
    if not addressed:
        raise Refused(Reason.AUDIENCE_MISMATCH)
    if not any(claims.has_scopes(one.scopes) for one in addressed):
        raise Refused(Reason.SCOPE_MISSING, tuple(sorted(addressed[0].scopes)))


def allow(
    policy: Policy,
    rule: Rule,
    request: Request,
    headers: Mapping[str, str],
    for_browser: tuple[str, ...] = (),
) -> Allow:
    """Let it pass with these identity headers, and with no other that a client may have sent."""
    reason = Reason.AUTHORIZED if rule.checks else Reason.PUBLIC
    known = policy.identity_headers
    remove = _absent(known, tuple(headers))
    if "_" in "".join(request.headers):
        remove += _aliases(request.headers, known)
    sent = request.headers.get("cookie") if rule.cookies else None
    if sent is None or (kept := cookies.without(sent, rule.cookies)) == sent:
        return Allow(reason, rule, headers, remove, for_browser)
    if not kept:
        return Allow(reason, rule, headers, (*remove, "cookie"), for_browser)
    return Allow(reason, rule, {**headers, "cookie": kept}, remove, for_browser)


@lru_cache(COMBINATIONS_MAX)
def _absent(known: frozenset[str], names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(known.difference(names)))


def _aliases(headers: Iterable[str], known: frozenset[str]) -> tuple[str, ...]:
    """`x_auth_subject`: CGI and WSGI workloads can not tell it from `x-auth-subject`."""
    return tuple(name for name in headers if "_" in name and name.replace("_", "-") in known)
