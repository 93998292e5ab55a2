"""What becomes of a request under the new rules: the gateway's routes, the sidecars' tokens, the authorizer.

As `authz explain` it decides in this process and asks the real sources; it reaches no mesh.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from authz.check import Verified, check
from authz.core import authorize, claims, cors, jwt, route
from authz.core import path as paths
from authz.core.claims import Claims
from authz.core.decision import Allow, Answer
from authz.core.memo import Memo
from authz.core.policy import Jwt, Location, Policy, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request
from authz.core.token import Token
from authz.istio import placement
from authz.istio.apirule import APIRule
from authz.server.ruleset import Loaded
from authz.sources import Sources

REMEMBERED = 10_000  # tokens of one run
_NONE: Mapping[str, str] = MappingProxyType({})
_request_header = re.compile(r"%REQ\(([^)?:]+)[^)]*\)%").sub


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the caller gets; 200 is the workload's, unless `answered` before it was asked.

    `why` is the name of the authorizer's Reason, or one of the mesh's own: "ROUTE", "TOKEN", "RBAC",
    "PREFLIGHT". `headers` are what the workload is told, `note` is for the operator.
    """

    status: int
    why: str
    rule: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE, repr=False)
    answered: bool = False
    note: str = ""

    @property
    def allows(self) -> bool:
        """True if the workload is asked."""
        return self.status == 200 and not self.answered


class Mesh:
    """The new rules, enforced as they would be."""

    def __init__(self, loaded: Loaded, sources: Sources) -> None:
        self._policy = loaded.policy
        self._sources = sources
        self._memo = Memo[Verified](REMEMBERED)
        self._apirules = {apirule.key: apirule for _, apirule in loaded.rules}
        self._cluster = loaded.cluster
        self._believed = self._issuers()

    async def decide(self, request: Request, now: float) -> Outcome:
        """`now` is seconds since the epoch. Raises Unavailable where a sidecar lacks an issuer's keys."""
        if early := _preflight(self._policy, request):
            return early
        try:
            rule = route.match(self._policy, request)
        except Refused as refused:
            return _unrouted(refused.reason)
        found = self._of(rule)
        if found is None or found[0].spec.enforcement == "Gateway":
            return await self._ask(request, now)
        return await self._at_workload(request, rule, *found, now)

    def unasked(self, request: Request) -> Outcome | None:
        """What becomes of it whoever calls, no preflight; None where that depends on what they show."""
        try:
            rule = route.match(self._policy, request)
        except Refused as refused:
            return _unrouted(refused.reason)
        return None if rule.checks else Outcome(200, Reason.PUBLIC.name, rule.name)

    def names_path(self, request: Request) -> bool:
        """True if a rule of the host has the path, for whatever method."""
        try:
            host = route.host(self._policy, request.host)
        except Refused:
            return False
        return any(rule.path.matches(request.path) for rule in host.rules)

    async def _at_workload(
        self, request: Request, rule: Rule, apirule: APIRule, index: int, now: float
    ) -> Outcome:
        """First jwt_authn, then the authorizer where a CUSTOM policy asks it, then the ALLOW policies."""
        spec = apirule.spec.rules[index]
        try:
            identities = [
                await self._verify(text, believed, now)
                for text, believed in _tokens(request, self._believed.get(self._pods(apirule, index), {}))
            ]
        except Refused as refused:
            return Outcome(401, refused.reason.name, rule.name)
        told = dict(_static(spec.request.headers, spec.request.cookies, request))
        if spec.ext_auth or any(placement.asked(apirule, self._cluster)[index]):
            asked = await self._ask(request, now)
            if not asked.allows:
                return asked
            told |= asked.headers
        if spec.tokens and not any(_meets(rule, *identity) for identity in identities):
            return Outcome(403, "RBAC", rule.name)
        return Outcome(200, Reason.AUTHORIZED.name if rule.checks else Reason.PUBLIC.name, rule.name, told)

    async def _ask(self, request: Request, now: float) -> Outcome:
        decision = await check(request, self._policy, self._sources, self._memo, now)
        name = decision.rule.name if decision.rule else ""
        match decision:
            case Allow():
                found = self._of(decision.rule)
                spec = found[0].spec.rules[found[1]].request if found else None
                told = dict(_static(spec.headers, spec.cookies, request)) if spec else {}
                return Outcome(200, decision.reason.name, name, told | dict(decision.headers))
            case Answer():
                return Outcome(decision.reason.status, decision.reason.name, name, answered=True)
            case _:
                return Outcome(decision.reason.status, decision.reason.name, name, note=decision.note)

    async def _verify(self, text: str, believed: tuple[Jwt, ...], now: float) -> tuple[Jwt, Claims]:
        """As Envoy's jwt_authn: `exp` may be missing, `iat` and the kind of token are nothing to it."""
        token = Token(text)
        jws = jwt.parse(token)
        accept = claims.issuer(jws, believed)
        keys = self._sources.jwks(accept)
        key = keys.find(jws.kid, jws.algorithm) or await keys.key(jws.kid, jws.algorithm)
        jwt.verify(token, jws.algorithm, key)
        timeless = {name: value for name, value in jws.claims.items() if name != "iat"}
        found = claims.typed(timeless)
        claims.check(found, Jwt(accept.issuer, leeway_s=accept.leeway_s), now)
        return accept, found

    def _of(self, rule: Rule) -> tuple[APIRule, int] | None:
        """The APIRule and which of its rules; None for pages for signing in."""
        key, _, index = rule.name.rpartition("/")
        return (self._apirules[key], int(index)) if index.isdecimal() else None

    def _pods(self, apirule: APIRule, index: int) -> object:
        """What tells a workload from others: its selector, or the Service's name where that is unknown."""
        name = placement.service_key(apirule, index)
        known = self._cluster.services.get(name)
        return (name.partition("/")[0], frozenset(known.selector.items())) if known else name

    def _issuers(self) -> dict[object, dict[Location, tuple[Jwt, ...]]]:
        """By workload and place: RequestAuthentications are the pods', whichever rule brought them."""
        found: dict[object, dict[Location, tuple[Jwt, ...]]] = {}
        for host in self._policy.hosts.values():
            for rule in host.rules:
                for pods, accept in self._accepts(rule):
                    places = found.setdefault(pods, {})
                    known = places.setdefault(accept.location, ())
                    if accept not in known:
                        places[accept.location] = (*known, accept)
        return found

    def _accepts(self, rule: Rule) -> Iterator[tuple[object, Jwt]]:
        owner = self._of(rule)
        if owner and owner[0].spec.enforcement == "Workload" and owner[0].spec.rules[owner[1]].tokens:
            for accept in rule.checks[-1].authorizer.accept:
                if isinstance(accept, Jwt):
                    yield self._pods(*owner), accept


def _meets(rule: Rule, accept: Jwt, found: Claims) -> bool:
    """The ALLOW policy: an issuer of the rule's, a subject, and one of the requirements."""
    tokens = rule.checks[-1]
    named = {one.issuer for one in tokens.authorizer.accept if isinstance(one, Jwt)}
    if accept.issuer not in named or not found.all.get("sub"):
        return False
    try:
        authorize.require(found, tokens.any_of)
    except Refused:
        return False
    return True


def _tokens(
    request: Request, places: Mapping[Location, tuple[Jwt, ...]]
) -> Iterator[tuple[str, tuple[Jwt, ...]]]:
    """Envoy compares a prefix to the letter, and reads nothing where it does not stand."""
    for location, believed in places.items():
        if location.param:
            prefix, equals = f"{location.param}=", request.query.split("&")
            texts: Iterable[str] = (one[len(prefix) :] for one in equals if one.startswith(prefix))
        else:
            value = request.headers.get(location.header, "")
            texts = [value[len(location.prefix) :]] if value.startswith(location.prefix) and value else []
        for text in texts:
            yield text, believed


def _unrouted(reason: Reason) -> Outcome:
    if reason is Reason.PATH_AMBIGUOUS:
        return Outcome(400, reason.name)
    return Outcome(404, "ROUTE" if reason is not Reason.REQUEST_INVALID else reason.name)


def _preflight(policy: Policy, request: Request) -> Outcome | None:
    """The gateway answers where the origin is one of the policy's, for any method that the path has."""
    if not cors.is_preflight(request):
        return None
    try:
        host = route.host(policy, request.host)
    except Refused as refused:
        return _unrouted(refused.reason)
    if host.rejects_ambiguous and paths.is_ambiguous(request.path):
        return _unrouted(Reason.PATH_AMBIGUOUS)
    there = [rule for rule in host.rules if rule.path.matches(request.path)]
    own = next((rule for rule in there if "OPTIONS" in rule.methods), None)
    rule = own or next((rule for rule in there if rule.cors), None)
    if rule and rule.cors and rule.cors.admits(request.headers["origin"]):
        return Outcome(200, "PREFLIGHT", rule.name, answered=True)
    return Outcome(403, "RBAC", rule.name) if rule and not own else None


def _static(
    headers: Mapping[str, str], cookies: Mapping[str, str], request: Request
) -> Iterator[tuple[str, str]]:
    """What the rule itself sets; the client's own value where it names one of its headers."""
    for name, value in headers.items():
        yield name.lower(), _request_header(lambda m: request.headers.get(m[1].lower(), ""), value)
    if cookies:
        own = request.headers.get("cookie")
        pairs = [f"{name}={value}" for name, value in cookies.items()]
        yield "cookie", "; ".join([*pairs, *([own] if own else [])])
