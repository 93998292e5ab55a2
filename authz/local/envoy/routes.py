"""VirtualServices as the gateway's route table: a virtual host for each host, routes in their order.

Only what the translation line emits is known; the rest is refused by name.
"""

from collections.abc import Iterator, Mapping, Sequence

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
    RetryPolicy,
    RetryPolicyRetryHostPredicate,
    Route,
    RouteAction,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
)
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts.v3 import PreviousHostsPredicate
from envoy_data_plane.envoy.type.matcher.v3 import StringMatcher
from envoy_data_plane.google.protobuf import Any, Struct

from authz.local.envoy import cors, matchers
from authz.local.envoy.document import Document, Node
from authz.local.envoy.mesh import Workload

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
DIRECT_BODY_MAX_BYTES = 1_048_576  # Istio's limit for directResponse
LOGGED = "authz.log"  # the namespace of what routes tell the access log
OVERWRITE = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
APPEND = HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD


def configuration(
    documents: Sequence[Document], workloads: Sequence[Workload], port: int
) -> RouteConfiguration:
    """The table of the gateway's one port. A host that nobody claims is answered 404 by Envoy."""
    known = {(workload.host, workload.port): workload for workload in workloads}
    hosts: dict[str, VirtualHost] = {}
    for document in documents:
        routes = list(_routes(document, known))
        for host in document.spec.texts("hosts"):
            if host in hosts:
                raise document.spec.error("hosts", f"{host} is claimed by another VirtualService")
            hosts[host] = _virtual_host(host, port, routes)
    return RouteConfiguration(
        name=f"http.{port}",
        virtual_hosts=list(hosts.values()),
        validate_clusters=False,
        max_direct_response_body_size_bytes=DIRECT_BODY_MAX_BYTES,
        ignore_port_in_host_matching=True,
    )


def _virtual_host(host: str, port: int, routes: list[Route]) -> VirtualHost:
    return VirtualHost(
        name=f"{host}:{port}", domains=[host], routes=routes, include_request_attempt_count=True
    )


def _routes(document: Document, known: Mapping[tuple[str, int], Workload]) -> Iterator[Route]:
    spec = document.spec.only("hosts", "gateways", "http")
    if not spec.texts("gateways") or "mesh" in spec.texts("gateways"):
        raise spec.error("gateways", "must name gateways, and not the mesh")
    for http in spec.nodes("http"):
        http.only("name", "match", "route", "directResponse", "timeout", "retries", "headers", "corsPolicy")
        for match in http.nodes("match") or (Node(f"{http.where}.match", {}),):
            yield _route(_match(match), http, known)


def _route(match: RouteMatch, http: Node, known: Mapping[tuple[str, int], Workload]) -> Route:
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
        route.route = _forward(http, known)
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
    for name in ("route", "retries", "timeout"):
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


def _forward(http: Node, known: Mapping[tuple[str, int], Workload]) -> RouteAction:
    """Istiod also says max_grpc_timeout, which is deprecated; max_stream_duration would replace `timeout`."""
    return RouteAction(
        cluster="outbound|" + _destination(http, known).key,
        timeout=http.duration("timeout"),
        retry_policy=_retry(http["retries"].only("attempts", "perTryTimeout", "retryOn")),
    )


def _destination(http: Node, known: Mapping[tuple[str, int], Workload]) -> Workload:
    routes = http.nodes("route")
    if len(routes) != 1:
        raise http.error("route", "must have exactly one destination")
    destination = routes[0].only("destination")["destination"].only("host", "port")
    place = destination.text("host"), destination["port"].only("number").number("number")
    if place not in known:
        raise destination.error("host", f"{place[0]}:{place[1]} is not a workload of the local gateway")
    return known[place]


def _retry(retries: Node) -> RetryPolicy | None:
    attempts = retries.number("attempts", 2)
    if not attempts:
        return None
    predicate = RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts", typed_config=Any.pack(PreviousHostsPredicate())
    )
    return RetryPolicy(
        retry_on=retries.text("retryOn", RETRY_ON),
        num_retries=attempts,
        per_try_timeout=retries.duration("perTryTimeout") or None,
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=5,
    )


def _mutations(headers: Node) -> list[HeaderValueOption]:
    named = [(pair, OVERWRITE) for pair in headers.pairs("set")]
    named += [(pair, APPEND) for pair in headers.pairs("add")]
    return [
        HeaderValueOption(header=HeaderValue(key=key, value=value), append_action=action)
        for (key, value), action in named
    ]
