"""The authorizer, in one file: a request goes in, a decision comes out.

Each kind of credential has one await: asking its source. Nothing here knows Envoy, sockets or the clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from authz.core import (
    authorize,
    claims,
    identity,
    introspection,
    jwt,
    metadata,
    refusal,
    route,
    sign_in,
    token,
)
from authz.core.decision import Decision, Vouched
from authz.core.identity import Caller
from authz.core.jwt import Jws
from authz.core.memo import Memo
from authz.core.policy import Authorizer, Introspection, Jwt, Policy, Rule, Session
from authz.core.reason import Refused, Unavailable
from authz.core.request import Request
from authz.core.token import Token
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
    rule: Rule | None = None
    headers: Mapping[str, str] = {}  # of all checks of the rule: the first that sets one stands
    cookies: tuple[str, ...] = ()
    vouched: Vouched | None = None
    try:
        if answer := metadata.answer(policy, request):
            return answer
        rule = route.match(policy, request)
        for question in rule.checks:
            caller, new = await _identify(question.authorizer, request, sources, memo, now)
            cookies += new
            authorize.require(caller.claims, question.any_of)
            told = caller.headers(question.authorizer.identity_headers)
            headers = {**told, **headers} if headers else told
            if question.authorizer.identity_token and not vouched:
                vouched = Vouched(caller, question.authorizer.identity_token, route.bare(request.host))
        allow = authorize.allow(policy, rule, request, headers, cookies)
        return allow._replace(vouched=vouched) if vouched else allow
    except (Refused, Unavailable) as failure:
        return refusal.answer(policy, request, rule, failure, cookies)


async def _identify(
    authorizer: Authorizer, request: Request, sources: Sources, memo: Memo[Verified], now: float
) -> tuple[Caller, tuple[str, ...]]:
    """Who calls, and cookies for the browser: one await for each kind of source."""
    presented, whom = token.first(authorizer, request)
    match whom:
        case tuple():
            return await _verify(presented, whom, sources, memo, now), ()
        case Introspection():
            said = await sources.introspector(whom).ask(presented, now)
            introspection.check(said.claims, whom, now)
            return said, ()
        case Session():
            scheme, host = sign_in.origin(request)
            seen = await sources.oauth2_proxy(whom).ask(presented, host, scheme, whom)
            return sign_in.caller(seen.found, whom, seen.take())
        case str():
            return identity.nobody(whom), ()
        case _:
            assert_never(whom)


async def _verify(
    presented: Token, accepted: tuple[Jwt, ...], sources: Sources, memo: Memo[Verified], now: float
) -> Caller:
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
