"""What Istio's objects mean together: may this request pass? As Envoys would say that had all of them.

Written for the tests of the order of writes; `tests/istio/test_precedence.py` reads the same objects anew.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authz.core import path as paths
from authz.istio.apirule import APIRule
from authz.istio.schema import Rule

Resource = dict[str, Any]
Decide = Callable[[str, "Request"], bool]  # a provider's answer

PODS = {"s1": {"app": "one"}, "s2": {"app": "two"}, "s3": {"app": "one"}}  # s3 leads where s1 does
SEGMENT, REST = r"[^/\[\]]+", r"[^\[\]]*"


@dataclass(frozen=True)
class Token:
    """As it was signed."""

    issuer: str
    keys: str
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Request:
    """`approved`: who of the authorizers would accept its caller."""

    host: str
    method: str
    path: str
    token: Token | None = None
    approved: frozenset[str] = field(default_factory=frozenset)


def reaches(state: Iterable[Resource], request: Request, decide: Decide) -> str:
    """The app of the pods that get it, if the gateway and their sidecar let it pass; nothing if not."""
    objects = list(state)
    service = route(objects, request)
    return PODS[service]["app"] if service and _passes(objects, service, request, decide) else ""


def _passes(objects: list[Resource], service: str, request: Request, decide: Decide) -> bool:
    gateway = [one for one in objects if one["metadata"]["namespace"] == "istio-system"]
    if not _asked(gateway, request, decide):
        return False
    guarding = [one for one in objects if one not in gateway and _selects(one, PODS[service])]
    if not _asked(guarding, request, decide):
        return False
    principal = _principal(guarding, request.token)
    if principal == "invalid":
        return False
    admitting = [one for one in guarding if one["spec"].get("action") == "ALLOW"]
    return not admitting or any(_admits(one, request, principal) for one in admitting)


def unguarded(state: Iterable[Resource]) -> list[str]:
    """Services that some route leads to while neither their workload nor the gateway has a policy."""
    objects = list(state)
    at_gateway = any(one["metadata"]["namespace"] == "istio-system" for one in objects)
    services = {
        _service(http)
        for one in objects
        for http in one["spec"].get("http", ())
        if "directResponse" not in http
    }
    return [
        service
        for service in services
        if not at_gateway
        and not any(
            _selects(one, PODS[service]) and one["spec"].get("action") == "ALLOW"
            for one in objects
            if one["kind"] == "AuthorizationPolicy"
        )
    ]


def route(objects: Iterable[Resource], request: Request) -> str | None:
    for one in objects:
        if one["kind"] == "VirtualService" and request.host in one["spec"]["hosts"]:
            for http in one["spec"]["http"]:
                if any(_matches(match, request) for match in http["match"]):
                    return None if "directResponse" in http else _service(http)
    return None


def _service(http: Resource) -> str:
    host: str = http["route"][0]["destination"]["host"]
    return host.partition(".")[0]


def _matches(match: Mapping[str, Any], request: Request) -> bool:
    method, uri = match.get("method", {}).get("regex", ".*"), match["uri"]
    tests = {
        "exact": lambda text: request.path == text,
        "prefix": request.path.startswith,
        "regex": lambda text: re.fullmatch(text, request.path) is not None,
    }
    return re.fullmatch(method, request.method) is not None and all(
        tests[how](text) for how, text in uri.items()
    )


def _selects(one: Resource, labels: Mapping[str, str]) -> bool:
    selector = one["spec"].get("selector", {}).get("matchLabels")
    return selector is not None and selector.items() <= labels.items()


def _asked(objects: Iterable[Resource], request: Request, decide: Decide) -> bool:
    for one in objects:
        spec = one["spec"]
        if (
            spec.get("action") == "CUSTOM"
            and any(_operates(to["operation"], request) for rule in spec["rules"] for to in rule["to"])
            and not decide(spec["provider"]["name"], request)
        ):
            return False
    return True


def _principal(objects: Iterable[Resource], token: Token | None) -> str:
    """The issuer whose token it is; "invalid" if it says so falsely; nothing if nobody looks."""
    rules = [
        rule
        for one in objects
        for rule in one["spec"].get("jwtRules", ())
        if token and rule["issuer"] == token.issuer
    ]
    if not rules or token is None:
        return ""
    return token.issuer if any(rule["jwksUri"] == token.keys for rule in rules) else "invalid"


def _admits(one: Resource, request: Request, principal: str) -> bool:
    return any(_entry(entry, request, principal) for entry in one["spec"]["rules"])


def _entry(entry: Resource, request: Request, principal: str) -> bool:
    principals = entry["from"][0]["source"].get("requestPrincipals")
    scopes = request.token.scopes if request.token and principal else frozenset()
    return (
        (principals is None or f"{principal}/*" in principals)
        and any(_operates(to["operation"], request) for to in entry["to"])
        and all(
            condition["key"] == "request.auth.claims[scope]" and scopes & set(condition["values"])
            for condition in entry.get("when", ())
        )
    )


def _operates(operation: Mapping[str, Any], request: Request) -> bool:
    return (
        request.host in operation["hosts"]
        and request.host not in operation.get("notHosts", ())
        and request.method in operation.get("methods", [request.method])
        and any(_like(pattern, request.path) for pattern in operation.get("paths", ["*"]))
        and not any(_like(pattern, request.path) for pattern in operation.get("notPaths", ()))
    )


def _like(pattern: str, path: str) -> bool:
    if "{" not in pattern:
        return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern
    parts = re.split(r"(\{\*{1,2}\})", pattern)
    regex = "".join({"{*}": SEGMENT, "{**}": REST}.get(part, re.escape(part)) for part in parts)
    return re.fullmatch(regex, path) is not None


def decides(rule: APIRule) -> Decide:
    """Every provider's answer, by this version of the APIRule."""

    def decide(provider: str, request: Request) -> bool:
        if provider == "other":
            return "other" in request.approved
        if rule.spec.rejects_ambiguous and paths.is_ambiguous(request.path):
            return False
        for each in rule.spec.rules:
            if request.method in each.methods and each.path.matches(request.path):
                return accepts(each, request)
        return False

    return decide


def accepts(rule: Rule, request: Request) -> bool:
    """Its checks, all of them."""
    if rule.ext_auth and not set(rule.ext_auth.authorizers) <= request.approved:
        return False
    return rule.tokens is None or any(
        request.token
        and (issuer.issuer, issuer.jwks_uri) == (request.token.issuer, request.token.keys)
        and all(
            set(each.required_scopes) <= request.token.scopes for each in rule.tokens.authorizations or ()
        )
        for issuer in rule.tokens.authentications
    )


def both(before: Decide, after: Decide) -> Decide:
    """The authorizer, between seeing a new version and hearing that the controller has taken it."""
    return lambda provider, request: before(provider, request) and after(provider, request)


def refuses(_provider: str, _request: Request) -> bool:
    """When there is no APIRule."""
    return False
