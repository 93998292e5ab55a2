"""The VirtualService: where each host's requests go, in the order of the rules.

Requests that no route wants get 404 from the gateway, and never reach a workload.
"""

from itertools import product
from typing import Any, assert_never

from authz.core import path as paths
from authz.core.path import Kind, Path
from authz.core.reason import Reason
from authz.istio import hosts, names, target
from authz.istio.schema import CorsPolicy, Rule
from authz.istio.target import Target

API_VERSION = "networking.istio.io/v1"

_CORS_HEADERS = (  # Kyma takes away the workload's, so that only spec.corsPolicy speaks
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Max-Age",
)


def build(aim: Target) -> dict[str, Any]:
    """One for the APIRule, in its namespace and of its name."""
    rule = aim.rule
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualService",
        "metadata": {"name": rule.name, "namespace": rule.namespace, "labels": names.labels(rule)},
        "spec": {
            "hosts": list(aim.hosts),
            "gateways": [rule.spec.gateway],
            "http": [*_refusals(aim), *(_route(aim, index) for index in range(len(rule.spec.rules)))],
        },
    }


def _refusals(aim: Target) -> list[dict[str, Any]]:
    refusals = []
    if any(map(hosts.is_wildcard, aim.hosts)):
        refusals.append(
            _refuse({"authority": {"regex": hosts.other_ports(aim.ports)}}, Reason.REQUEST_INVALID)
        )
    if aim.rule.spec.rejects_ambiguous:
        refusals.append(_refuse({"uri": {"regex": paths.AMBIGUOUS}}, Reason.PATH_AMBIGUOUS))
    return refusals


def _refuse(match: dict[str, Any], reason: Reason) -> dict[str, Any]:
    return {"match": [match], "directResponse": {"status": reason.status, "body": {"string": reason.text}}}


def _route(aim: Target, index: int) -> dict[str, Any]:
    spec, rule = aim.rule.spec, aim.rule.spec.rules[index]
    route = {
        "match": [{"method": {"regex": f"^({'|'.join(rule.methods)})$"}, "uri": _uri(rule.path)}],
        "route": [{"destination": _destination(aim, index)}],
        "timeout": f"{rule.timeout or spec.timeout}s",
        "headers": {"request": _request_headers(aim, rule), "response": {"remove": list(_CORS_HEADERS)}},
    }
    cors = spec.cors_policy
    return route | {"corsPolicy": _cors(cors)} if cors and cors.allow_origins else route


def _uri(path: Path) -> dict[str, str]:
    match path.kind:
        case Kind.EXACT:
            return {"exact": path.text}
        case Kind.PREFIX:
            return {"prefix": path.text}
        case Kind.TEMPLATE:
            return {"regex": path.regex}
        case kind:
            assert_never(kind)


def _destination(aim: Target, index: int) -> dict[str, Any]:
    namespace, _, name = target.service_key(aim.rule, index).partition("/")
    port = target.service(aim.rule, index).port
    return {"host": f"{name}.{namespace}.svc.cluster.local", "port": {"number": port}}


def _request_headers(aim: Target, rule: Rule) -> dict[str, Any]:
    """An authorizer at the gateway has set identity headers by now; elsewhere all are a client's."""
    host = aim.hosts[0]
    forwarded = "%REQ(:AUTHORITY)%" if len(aim.hosts) > 1 or hosts.is_wildcard(host) else host
    headers: dict[str, Any] = {"set": {"x-forwarded-host": forwarded} | rule.request.headers}
    if rule.request.cookies:  # added, not set: the client's own cookies stay
        headers["add"] = {
            "cookie": "; ".join(f"{name}={value}" for name, value in sorted(rule.request.cookies.items()))
        }
    if aim.rule.spec.enforcement == "Workload" and (removed := _spellings(aim.cluster.identity_headers)):
        headers["remove"] = removed
    return headers


def _spellings(headers: frozenset[str]) -> list[str]:
    """CGI and WSGI workloads can not tell `_` from `-` in a name."""
    return sorted(
        "".join(spelling)
        for header in headers
        for spelling in product(*("-_" if letter == "-" else letter for letter in header))
    )


def _cors(cors: CorsPolicy) -> dict[str, Any]:
    policy = cors.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    return policy | ({"maxAge": f"{cors.max_age}s"} if cors.max_age else {})
