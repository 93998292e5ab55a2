"""Why a request is allowed or refused: the same line as in service, told step by step.

It asks the same sources as the authorizer would; it never prints a token.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

from authz.check import Verified, check
from authz.core import route
from authz.core.decision import Allow, Answer, Decision, Deny
from authz.core.memo import Memo
from authz.core.policy import Authorizer, Policy, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request
from authz.server.asked import accepts, sources_of
from authz.server.ruleset import Loaded
from authz.sources import Sources


@dataclass(frozen=True, slots=True)
class Explanation:
    """A request, what becomes of it, and each rule of its host with what kept it from matching.

    `elsewhere` says who answers such a request before the authorizer is asked, if somebody does.
    """

    request: Request
    decision: Decision
    rules: tuple[tuple[Rule, str], ...]
    elsewhere: str = ""


async def explain(loaded: Loaded, request: Request) -> Explanation:
    """Decide the request now."""
    client, sources = sources_of(loaded.config)
    try:
        sources.keep(accepts(loaded))
        return await decide(loaded, request, sources)
    finally:
        await sources.close()
        await client.close()


async def decide(loaded: Loaded, request: Request, sources: Sources) -> Explanation:
    """The same by sources that are there. Nothing of it is remembered."""
    decision = await check(request, loaded.policy, sources, Memo[Verified](0), time.time())
    rules = tuple(_rules(loaded.policy, request, decision))
    return Explanation(request, decision, rules, _elsewhere(loaded, decision))


def render(explanation: Explanation) -> str:
    """For a person at a terminal."""
    decision, request = explanation.decision, explanation.request
    verdict = _verdict(decision)
    lines = [
        f"{request.method} {request.host}{request.path}",
        f"  {verdict}: {decision.reason.name} - {decision.reason.text}",
    ]
    if isinstance(decision, Allow):
        lines += [f"  passes on {name}: {value}" for name, value in _told(decision)]
        lines += ["  keeps the session's cookies from the workload"] if _hides_cookies(decision) else []
        lines += [f"  signs {decision.vouched.token.header} about this caller"] if decision.vouched else []
    elif isinstance(decision, Answer):
        lines.append(f"  {decision.document}")
    else:
        lines += _refused(decision)
    if explanation.elsewhere:
        lines.append(f"  {explanation.elsewhere}")
    if explanation.rules:
        lines.append("  rules of this host, in order:")
        lines += [f"    {rule.name}: {describe(rule)}  {why}".rstrip() for rule, why in explanation.rules]
    return "\n".join(lines)


def _told(allow: Allow) -> list[tuple[str, str]]:
    return sorted((name, value) for name, value in allow.headers.items() if name != "cookie")


def _hides_cookies(allow: Allow) -> bool:
    return "cookie" in allow.headers or "cookie" in allow.remove


def _verdict(decision: Decision) -> str:
    match decision:
        case Allow():
            return "allowed"
        case Answer():
            return "answered by the authorizer"
        case Deny(reason):
            return f"refused with {reason.status}"


def _refused(deny: Deny) -> Iterable[str]:
    if deny.scopes:
        yield f"  the token would need the scopes: {' '.join(deny.scopes)}"
    for name, value in deny.headers:
        yield f"  answers with {name}: {value}"
    if deny.note:
        yield f"  {deny.note}"


def _rules(policy: Policy, request: Request, decision: Decision) -> Iterable[tuple[Rule, str]]:
    for rule in _of_host(policy, request):
        if rule == decision.rule:
            yield rule, "<- decides"
            return
        yield rule, _misfit(rule, request)


def _elsewhere(loaded: Loaded, decision: Decision) -> str:
    if decision.reason in (Reason.RULE_MISSING, Reason.HOST_UNKNOWN):
        return "no route names it: the gateway answers 404"
    if decision.rule is None:
        return ""
    key, _, index = decision.rule.name.rpartition("/")
    if not index.isdecimal():  # pages for signing in
        return ""
    spec = next(rule.spec for _, rule in loaded.rules if rule.key == key)
    if spec.enforcement == "Workload" and spec.rules[int(index)].jwt:
        return "the mesh decides this rule itself: 401 for a bad token, 403 without one or its scope"
    return ""


def _of_host(policy: Policy, request: Request) -> tuple[Rule, ...]:
    try:
        return route.host(policy, request.host).rules
    except Refused:
        return ()


def _misfit(rule: Rule, request: Request) -> str:
    if request.method not in rule.methods:
        return f"(not for {request.method})"
    return "" if rule.path.matches(request.path) else "(another path)"


def describe(rule: Rule) -> str:
    """`GET,POST /orders/* [keycloak]`."""
    return f"{','.join(sorted(rule.methods))} {rule.path} [{access(rule)}]"


def access(rule: Rule) -> str:
    """Who decides it, or `public`."""
    return " and ".join(_kinds(one.authorizer) for one in rule.checks) or "public"


def _kinds(authorizer: Authorizer) -> str:
    """Its name, and what it accepts in that order where that is not one JWT after the other."""
    kinds = dict.fromkeys(type(one).__name__.lower() for one in authorizer.accept)
    if authorizer.anonymous is not None:
        kinds["anonymous"] = None
    return authorizer.name if [*kinds] in ([], ["jwt"]) else f"{authorizer.name}: {' or '.join(kinds)}"
