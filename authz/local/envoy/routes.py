"""VirtualServices as the gateway's route table: a virtual host for each host, routes in their order.

Two that serve one host are merged as by istiod: the older one's routes first, and what takes everything last.
What is not known here is refused by name.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from envoy_data_plane.envoy.config.core.v3 import (
    DataSource,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    Metadata,
)
from envoy_data_plane.envoy.config.route.v3 import (
    DirectResponseAction,
    HeaderMatcher,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Struct

from authz.local.envoy import cors, matchers
from authz.local.envoy.document import Document, Node
from authz.local.envoy.forwarding import FIELDS as FORWARDED
from authz.local.envoy.forwarding import Forwarding
from authz.local.envoy.mesh import Workload

DIRECT_BODY_MAX_BYTES = 1_048_576  # Istio's limit for directResponse
LOGGED = "authz.log"  # the namespace of what routes tell the access log
OVERWRITE = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD


def configuration(
    documents: Sequence[Document], workloads: Sequence[Workload], port: int
) -> RouteConfiguration:
    """The table of the gateway's one port. A host that nobody claims is answered 404 by Envoy."""
    hosts: dict[str, list[Route]] = defaultdict(list)
    for document in sorted(documents, key=_age):
        routes = _reachable(_routes(document, Forwarding(document, workloads, port)))
        for host in dict.fromkeys(map(document.full, document.spec.texts("hosts"))):
            hosts[host] += routes
    return RouteConfiguration(
        name=f"http.{port}",
        virtual_hosts=[_virtual_host(host, port, routes) for host, routes in hosts.items()],
        validate_clusters=False,
        max_direct_response_body_size_bytes=DIRECT_BODY_MAX_BYTES,
        ignore_port_in_host_matching=True,
    )


def _age(document: Document) -> tuple[str, str]:
    """Timestamps are of seconds; of one second istiod sorts by name."""
    return document.since, f"{document.name}.{document.namespace}"


def _reachable(routes: Iterator[Route]) -> list[Route]:
    """Up to the first that takes everything."""
    found: list[Route] = []
    for route in routes:
        found.append(route)
        if _takes_all(route):
            break
    return found


def _takes_all(route: Route) -> bool:
    match = route.match or RouteMatch()
    regex = match.safe_regex and match.safe_regex.regex
    return (match.prefix == "/" or regex == ".*") and not match.headers


def _virtual_host(host: str, port: int, routes: list[Route]) -> VirtualHost:
    return VirtualHost(
        name=f"{host}:{port}",
        domains=[host],
        routes=sorted(routes, key=_takes_all),
        include_request_attempt_count=True,
    )


def _routes(document: Document, forwarding: Forwarding) -> Iterator[Route]:
    spec = document.spec.only("hosts", "gateways", "http")
    if not spec.texts("gateways") or "mesh" in spec.texts("gateways"):
        raise spec.error("gateways", "must name gateways, and not the mesh")
    for http in spec.nodes("http"):
        http.only("name", "match", "directResponse", "headers", "corsPolicy", *FORWARDED)
        for match in http.nodes("match") or (Node(f"{http.where}.match", {}),):
            yield _route(_match(match), http, forwarding)


def _route(match: RouteMatch, http: Node, forwarding: Forwarding) -> Route:
    headers = http["headers"].only("request", "response")
    request, response = (headers[side].only("set", "add", "remove") for side in ("request", "response"))
    route = Route(
        match=match,
        request_headers_to_add=_mutations(request),
        request_headers_to_remove=list(request.texts("remove")),
        response_headers_to_add=_mutations(response),
        response_headers_to_remove=list(response.texts("remove")),
        typed_per_filter_config=cors.per_route(http["corsPolicy"]) if "corsPolicy" in http else {},
    )
    if "directResponse" in http:
        route.direct_response = _direct(http)
        route.metadata = _saying(http)
    else:
        route.route = forwarding.action(http)
    return route


def _match(node: Node) -> RouteMatch:
    node.only("name", "uri", "method", "authority", "headers")
    match = RouteMatch(case_sensitive=True, headers=list(_headers(node)))
    uri = matchers.choice(node["uri"]) if "uri" in node else StringMatcher(prefix="/")
    match.path, match.prefix, match.safe_regex = uri.exact, uri.prefix, uri.safe_regex
    return match


def _headers(node: Node) -> Iterator[HeaderMatcher]:
    for name, value in node["headers"].fields():
        yield HeaderMatcher(name=name, string_match=matchers.choice(value))
    for name in ("method", "authority"):
        if name in node:
            yield HeaderMatcher(name=f":{name}", string_match=matchers.choice(node[name]))


def _direct(http: Node) -> DirectResponseAction:
    for name in FORWARDED:
        if name in http:
            raise http.error(name, "does not go with directResponse")
    response = http["directResponse"].only("status", "body")
    body = (
        DataSource(inline_string=response["body"].only("string").text("string"))
        if "body" in response
        else None
    )
    return DirectResponseAction(status=response.number("status"), body=body)


def _saying(http: Node) -> Metadata:
    """The body once more, for the access log, which does not see bodies."""
    said = http["directResponse"]["body"].text("string")
    return Metadata(filter_metadata={LOGGED: Struct.from_dict({"body": said})})


def _mutations(headers: Node) -> list[HeaderValueOption]:
    named = [(pair, OVERWRITE) for pair in headers.pairs("set")]
    named += [(pair, APPEND) for pair in headers.pairs("add")]
    return [
        HeaderValueOption(header=HeaderValue(key=key, value=value), append_action=action)
        for (key, value), action in named
    ]
