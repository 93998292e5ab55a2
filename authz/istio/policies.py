"""The AuthorizationPolicies: who may reach which rule of a workload.

CUSTOM only asks the authorizer, it guards nothing by itself: an ALLOW with the same matches stands
beside it, and what no ALLOW admits is refused.
"""

from collections.abc import Iterable
from typing import Any

from authz.core.path import Kind, Path
from authz.istio import hosts, names, precedence, target
from authz.istio.authentication import API_VERSION
from authz.istio.schema import Authorization, JwtConfig
from authz.istio.target import Target, Workload

_SCOPE_CLAIMS = ("scp", "scope", "scopes")  # where Kyma looks


def custom(aim: Target, workload: Workload) -> list[dict[str, Any]]:
    """Ask the one provider that the workload's rules name, where they do."""
    asking = [index for index in workload.rules if aim.rule.spec.rules[index].ext_auth]
    if not asking:
        return []
    provider = target.providers(aim.rule.spec.rules[asking[0]], aim.cluster)[0]
    operations = [operation for index in asking for operation in _operations(aim, index)]
    spec = _custom(workload.selector, provider, operations)
    return [_policy(names.metadata(aim.rule, "custom", workload.namespace, workload.service), spec)]


def allow(aim: Target, workload: Workload) -> dict[str, Any]:
    """Admit what comes through the gateway and meets the rule that matches first."""
    rules = [entry for index in workload.rules for entry in _entries(aim, index)]
    spec = {"selector": {"matchLabels": workload.selector}, "action": "ALLOW", "rules": rules}
    return _policy(names.metadata(aim.rule, "allow", workload.namespace, workload.service), spec)


def at_gateway(aim: Target) -> dict[str, Any]:
    """Ask our authorizer about every request for these hosts, whatever its path.

    More specific hosts of others are asked about too: a host left out here would not be guarded.
    """
    settings = aim.cluster.settings
    every = {"hosts": _authorities(aim, aim.hosts)}
    metadata = names.metadata(aim.rule, "custom", settings.gateway_namespace)
    return _policy(metadata, _custom(dict(settings.gateway_selector), settings.provider, [every]))


def _policy(metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def _custom(selector: dict[str, str], provider: str, operations: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": selector},
        "action": "CUSTOM",
        "provider": {"name": provider},
        "rules": [{"to": _to(operations)}],
    }


def _entries(aim: Target, index: int) -> list[dict[str, Any]]:
    """The rule's alternatives, each for the same requests."""
    tokens = aim.rule.spec.rules[index].tokens
    return [_entry(aim, index, when) for when in _alternatives(tokens)]


def _entry(aim: Target, index: int, when: list[dict[str, Any]]) -> dict[str, Any]:
    rule = aim.rule.spec.rules[index]
    source: dict[str, Any] = {"principals": [aim.cluster.settings.gateway_principal]}
    if rule.tokens:
        source["requestPrincipals"] = [f"{one.issuer}/*" for one in rule.authentications]
    entry: dict[str, Any] = {"from": [{"source": source}], "to": _to(_operations(aim, index))}
    return entry | ({"when": when} if when else {})


def _alternatives(tokens: JwtConfig | None) -> list[list[dict[str, Any]]]:
    if tokens is None or tokens.authorizations is None:
        return [[]]
    return [when for one in tokens.authorizations for when in _conditions(one)]


def _conditions(one: Authorization) -> list[list[dict[str, Any]]]:
    """One for each claim that may hold the scopes; all required scopes must stand in the same."""
    names = _SCOPE_CLAIMS if one.required_scopes else _SCOPE_CLAIMS[:1]
    return [
        [
            *(_claim(name, scope) for scope in one.required_scopes),
            *(_claim("aud", audience) for audience in one.audiences),
        ]
        for name in names
    ]


def _claim(name: str, value: str) -> dict[str, Any]:
    return {"key": f"request.auth.claims[{name}]", "values": [value]}


def _to(operations: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"operation": operation} for operation in operations]


def _operations(aim: Target, index: int) -> list[dict[str, Any]]:
    """The rule's requests, less those of earlier rules: method by method, like ones together."""
    rules = aim.rule.spec.rules
    path = rules[index].path
    before = [other for other in rules[:index] if precedence.overlaps(other.path, path)]
    groups: dict[tuple[str, ...], list[str]] = {}
    for method in rules[index].methods:
        earlier = tuple(dict.fromkeys(_pattern(other.path) for other in before if method in other.methods))
        groups.setdefault(earlier, []).append(method)
    return [_operation(aim, methods, path, earlier) for earlier, methods in groups.items()]


def _operation(aim: Target, methods: list[str], path: Path, earlier: tuple[str, ...]) -> dict[str, Any]:
    operation = _hosts(aim) | {"methods": methods, "paths": [_pattern(path)]}
    return operation | ({"notPaths": list(earlier)} if earlier else {})


def _hosts(aim: Target) -> dict[str, Any]:
    own = {"hosts": _authorities(aim, aim.hosts)}
    return own | ({"notHosts": _authorities(aim, aim.spared)} if aim.spared else {})


def _authorities(aim: Target, names: Iterable[str]) -> list[str]:
    return [authority for name in names for authority in hosts.authorities(name, aim.ports)]


def _pattern(path: Path) -> str:
    """As Istio writes it: a prefix for a whole subtree, for Envoy's templates can not see `[` or `]`."""
    return f"{path.text}*" if path.kind is Kind.PREFIX else path.text
