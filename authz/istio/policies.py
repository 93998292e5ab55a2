"""The AuthorizationPolicies: who may reach which rule of a workload.

CUSTOM only asks the authorizer, it guards nothing by itself: an ALLOW with the same matches stands
beside it, and what no ALLOW admits is refused. Metadata (see `metadata`) has none: it is never admitted.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from authz.core.path import Kind, Path
from authz.core.policy import SCOPE_CLAIMS
from authz.istio import hosts, metadata, names, placement, precedence
from authz.istio.access import Authorization, JwtConfig
from authz.istio.authentication import API_VERSION
from authz.istio.placement import Placement, Workload


def custom(placed: Placement, workload: Workload) -> list[dict[str, Any]]:
    """Ask the one provider that decides the workload's rules, where one does."""
    providers = placement.asked(placed.apirule, placed.cluster)
    asking = [index for index in workload.rules if providers[index]]
    if not asking:
        return []
    provider = providers[asking[0]][0]
    own = _hosts(placed)
    to = [operation for index in asking for operation in _operations(placed, index, own)]
    spec = _custom(workload.selector, provider, to + metadata.operations(placed, workload, own))
    return [_policy(names.metadata(placed.apirule, "custom", workload.namespace, workload.service), spec)]


def allow(placed: Placement, workload: Workload) -> dict[str, Any]:
    """Admit what comes through the gateway and meets the rule that matches first."""
    own = _hosts(placed)
    rules = [entry for index in workload.rules for entry in _entries(placed, index, own)]
    spec = {"selector": {"matchLabels": workload.selector}, "action": "ALLOW", "rules": rules}
    return _policy(names.metadata(placed.apirule, "allow", workload.namespace, workload.service), spec)


def at_gateway(placed: Placement) -> dict[str, Any]:
    """Ask our authorizer about every request for these hosts, whatever its path.

    More specific hosts of others are asked about too: a host left out here would not be guarded.
    """
    settings = placed.cluster.settings
    every = {"operation": {"hosts": _authorities(placed, placed.hosts)}}
    metadata = names.metadata(placed.apirule, "custom", settings.gateway_namespace)
    return _policy(metadata, _custom(settings.gateway_selector, settings.provider, [every]))


def _policy(metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "AuthorizationPolicy", "metadata": metadata, "spec": spec}


def _custom(selector: Mapping[str, str], provider: str, to: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": dict(selector)},
        "action": "CUSTOM",
        "provider": {"name": provider},
        "rules": [{"to": to}],
    }


def _entries(placed: Placement, index: int, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The rule's alternatives, each for the same requests."""
    rule = placed.spec.rules[index]
    source: dict[str, Any] = {"principals": [placed.cluster.settings.gateway_principal]}
    if rule.tokens:
        source["requestPrincipals"] = [f"{issuer.issuer}/*" for issuer in rule.authentications]
    entry = {"from": [{"source": source}], "to": _operations(placed, index, own)}
    return [entry | ({"when": when} if when else {}) for when in _alternatives(rule.tokens)]


def _alternatives(tokens: JwtConfig | None) -> list[list[dict[str, Any]]]:
    if tokens is None or tokens.authorizations is None:
        return [[]]
    return [when for authorization in tokens.authorizations for when in _conditions(authorization)]


def _conditions(asked: Authorization) -> list[list[dict[str, Any]]]:
    """One for each claim that may hold the scopes; all required scopes must stand in the same."""
    names = SCOPE_CLAIMS if asked.required_scopes else SCOPE_CLAIMS[:1]
    audiences = [_claim("aud", audience) for audience in asked.audiences]
    return [[*(_claim(name, scope) for scope in asked.required_scopes), *audiences] for name in names]


def _claim(name: str, value: str) -> dict[str, Any]:
    return {"key": f"request.auth.claims[{name}]", "values": [value]}


def _operations(placed: Placement, index: int, own: dict[str, Any]) -> list[dict[str, Any]]:
    """The rule's requests, less those of earlier rules: method by method, like ones together."""
    rules = placed.spec.rules
    path = rules[index].path
    before = [other for other in rules[:index] if precedence.overlaps(other.path, path)]
    groups: dict[tuple[str, ...], list[str]] = {}
    for method in rules[index].methods:
        earlier = tuple(dict.fromkeys(_pattern(other.path) for other in before if method in other.methods))
        groups.setdefault(earlier, []).append(method)
    return [{"operation": own | _requests(methods, path, earlier)} for earlier, methods in groups.items()]


def _requests(methods: list[str], path: Path, earlier: tuple[str, ...]) -> dict[str, Any]:
    requests = {"methods": methods, "paths": [_pattern(path)]}
    return requests | ({"notPaths": list(earlier)} if earlier else {})


def _hosts(placed: Placement) -> dict[str, Any]:
    own = {"hosts": _authorities(placed, placed.hosts)}
    others = _authorities(placed, placed.hosts_of_others)
    return own | ({"notHosts": others} if others else {})


def _authorities(placed: Placement, names: Iterable[str]) -> list[str]:
    return [authority for name in names for authority in hosts.authorities(name, placed.ports)]


def _pattern(path: Path) -> str:
    """As Istio writes it: a prefix for a whole subtree, for Envoy's templates can not see `[` or `]`."""
    return f"{path.text}*" if path.kind is Kind.PREFIX else path.text
