"""The authorizer, in one file: a request goes in, a decision comes out.

The one await is asking a source for a key. Nothing here knows Envoy, sockets or the clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.core import authorize, claims, jwt, metadata, route, token
from authz.core.decision import Decision, Deny
from authz.core.identity import Caller
from authz.core.jwt import Jws
from authz.core.memo import Memo
from authz.core.policy import Authorizer, Policy, Rule
from authz.core.reason import Reason, Refused, Unavailable
from authz.core.request import Request
from authz.sources import Sources


@dataclass(frozen=True, slots=True)
class Verified:
    """A token whose signature was good under the key named `key`: timeless, so it may be remembered."""

    jws: Jws
    caller: Caller
    key: str


async def check(
    request: Request, policy: Policy, sources: Sources, memo: Memo[Verified], now: float
) -> Decision:
    """Match, identify, authorize. `now` is seconds since the epoch."""
    rule = None
    try:
        if answer := metadata.answer(policy, request):
            return answer
        rule = route.match(policy, request)
        headers = await _pass(rule, request, sources, memo, now)
        return authorize.allow(policy, rule, request, headers)
    except Refused as refused:
        return Deny(refused.reason, rule, refused.scopes, metadata=metadata.url(policy, rule, request))
    except Unavailable as unavailable:
        return Deny(Reason.SOURCE_UNAVAILABLE, rule, note=str(unavailable))


async def _pass(
    rule: Rule, request: Request, sources: Sources, memo: Memo[Verified], now: float
) -> Mapping[str, str]:
    """All checks of the rule; the headers of the first that sets one stand."""
    headers: Mapping[str, str] = {}
    for question in rule.checks:
        caller = await _identify(question.authorizer, request, sources, memo, now)
        authorize.require(caller.claims, question.any_of)
        told = caller.headers(question.authorizer.identity_headers)
        headers = {**told, **headers} if headers else told
    return headers


async def _identify(
    authorizer: Authorizer, request: Request, sources: Sources, memo: Memo[Verified], now: float
) -> Caller:
    presented, accepted = token.first(authorizer, request)
    digest = presented.digest
    known = memo.get(digest)
    jws = known.jws if known else jwt.parse(presented)
    accept = claims.issuer(jws, accepted)
    keys = sources.jwks(accept)
    key = keys.find(jws.kid, jws.algorithm) or await keys.key(jws.kid, jws.algorithm)
    if known is None or known.key != key.identity:  # what is known holds only under one of today's keys
        jwt.verify(presented, jws.algorithm, key)
        known = Verified(jws, Caller(claims.read(jws)), key.identity)
        memo.put(digest, known, len(presented.text))
    claims.check(known.caller.claims, accept, now)
    return known.caller
