"""The VirtualService: where each host's requests go, in the order of the rules.

Requests that no route wants get 404 from the gateway, and never reach a workload.
"""

from functools import lru_cache
from itertools import product
from typing import Any, assert_never

from authz.core import path as paths
from authz.core.path import Kind, Path
from authz.core.reason import Reason
from authz.istio import hosts, login, metadata, names, placement
from authz.istio.headers import joined
from authz.istio.login import Login
from authz.istio.placement import Placement
from authz.istio.schema import CorsPolicy, Rule

API_VERSION = "networking.istio.io/v1"
DESCRIPTION = "resource-metadata"  # the name of the route, in logs

_CORS_HEADERS = (  # Kyma takes away the workload's, so that only spec.corsPolicy speaks
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
    "Access-Control-Allow-Headers",
    "Access-Control-Allow-Credentials",
    "Access-Control-Allow-Methods",
    "Access-Control-Max-Age",
)

_SIGN_IN_TIMEOUT_S = 30  # at a callback oauth2-proxy asks the identity provider, twice
_REDIRECTS = ("x-auth-request-redirect", "x-forwarded-uri")  # oauth2-proxy would follow a client's

# What the Fetch standard calls a CORS-preflight request; other requests for OPTIONS are no concern of it.
_PREFLIGHT = {
    "method": {"exact": "OPTIONS"},
    "headers": {"origin": {"regex": ".+"}, "access-control-request-method": {"regex": ".+"}},
}


def build(placed: Placement) -> dict[str, Any]:
    """One for the APIRule, in its namespace and of its name."""
    apirule = placed.apirule
    routes = [_route(placed, index) for index in range(len(placed.spec.rules))]
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualService",
        "metadata": {"name": apirule.name, "namespace": apirule.namespace, "labels": names.labels(apirule)},
        "spec": {
            "hosts": list(placed.hosts),
            "gateways": [placed.spec.gateway],
            "http": [
                *_refusals(placed),
                *_login(placed),
                *_descriptions(placed),
                *routes,
                *_preflights(placed),
            ],
        },
    }


def _refusals(placed: Placement) -> list[dict[str, Any]]:
    refusals = []
    if any(map(hosts.is_wildcard, placed.hosts)):
        others = hosts.other_ports(placed.ports)
        refusals.append(_refuse({"authority": {"regex": others}}, Reason.REQUEST_INVALID))
    if placed.spec.rejects_ambiguous:
        refusals.append(_refuse({"uri": {"regex": paths.AMBIGUOUS}}, Reason.PATH_AMBIGUOUS))
    return refusals


def _descriptions(placed: Placement) -> list[dict[str, Any]]:
    """Before the rules, which may protect every path. The headers of CORS are the authorizer's own."""
    index = metadata.answering(placed.apirule, placed.cluster)
    if index is None:
        return []
    headers = {"request": _request_headers(placed, placed.spec.rules[index])}
    route = _route(placed, index) | {"match": metadata.matches(), "headers": headers}
    route.pop("corsPolicy", None)
    return [{"name": DESCRIPTION} | route]


def _refuse(match: dict[str, Any], reason: Reason) -> dict[str, Any]:
    return {"match": [match], "directResponse": {"status": reason.status, "body": {"string": reason.text}}}


def _login(placed: Placement) -> list[dict[str, Any]]:
    """Before every rule: a host's pages for signing in are not its workload's."""
    there = dict.fromkeys(each for _, each in placement.logins(placed.apirule, placed.cluster))
    unwanted = [*_REDIRECTS, *_spellings(placed.cluster.identity_headers)]
    return [_sign_in(each, unwanted) for each in there]


def _sign_in(there: Login, unwanted: list[str]) -> dict[str, Any]:
    methods = f"^({'|'.join(login.METHODS)})$"
    return {
        "match": [{"method": {"regex": methods}, "uri": _uri(path)} for path in there.paths],
        "route": [{"destination": {"host": there.host, "port": {"number": there.port}}}],
        "timeout": f"{_SIGN_IN_TIMEOUT_S}s",
        "headers": {"request": {"set": {"x-forwarded-host": "%REQ(:AUTHORITY)%"}, "remove": unwanted}},
    }


def _route(placed: Placement, index: int) -> dict[str, Any]:
    rule = placed.spec.rules[index]
    return {
        "match": [{"method": {"regex": f"^({'|'.join(rule.methods)})$"}, "uri": _uri(rule.path)}],
        "route": [{"destination": _destination(placed, index)}],
        "timeout": f"{rule.timeout or placed.spec.timeout}s",
        "headers": {"request": _request_headers(placed, rule), "response": {"remove": list(_CORS_HEADERS)}},
    } | _cors(placed.spec.cors_policy)


def _preflights(placed: Placement) -> list[dict[str, Any]]:
    """Last, so that a rule with OPTIONS has its own. Routed like the first rule, if only to refuse.

    The gateway answers if the origin is one of the policy's; otherwise the workload refuses, for no
    ALLOW names the method.
    """
    rules = [rule for rule in placed.spec.rules if "OPTIONS" not in rule.methods]
    if not (rules and _cors(placed.spec.cors_policy)):
        return []
    return [_route(placed, 0) | {"match": [_PREFLIGHT | {"uri": _uri(rule.path)} for rule in rules]}]


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


def _destination(placed: Placement, index: int) -> dict[str, Any]:
    namespace, _, name = placement.service_key(placed.apirule, index).partition("/")
    port = placement.service(placed.apirule, index).port
    return {"host": f"{name}.{namespace}.svc.cluster.local", "port": {"number": port}}


def _request_headers(placed: Placement, rule: Rule) -> dict[str, Any]:
    """With Workload enforcement strip identity headers here: the sidecar's authorizer sets them later."""
    host = placed.hosts[0]
    forwarded = "%REQ(:AUTHORITY)%" if len(placed.hosts) > 1 or hosts.is_wildcard(host) else host
    headers: dict[str, Any] = {"set": {"x-forwarded-host": forwarded} | rule.request.headers}
    if rule.request.cookies:  # before the client's own, in one header: RFC 6265 5.4 knows no second
        headers["set"]["cookie"] = f"{joined(rule.request.cookies)}; %REQ(cookie)%"
    removed = _spellings(placed.cluster.identity_headers)
    return headers | ({"remove": [*removed]} if removed and placed.spec.enforcement == "Workload" else {})


@lru_cache(1)  # of the one configuration, for 10,000 APIRules
def _spellings(headers: frozenset[str]) -> list[str]:
    """CGI and WSGI workloads can not tell `_` from `-` in a name."""
    return sorted(
        "".join(spelling)
        for header in headers
        for spelling in product(*("-_" if letter == "-" else letter for letter in header))
    )


def _cors(cors: CorsPolicy | None) -> dict[str, Any]:
    """Nothing without origins."""
    if not (cors and cors.allow_origins):
        return {}
    policy = cors.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    return {"corsPolicy": policy | ({"maxAge": f"{cors.max_age}s"} if cors.max_age else {})}
