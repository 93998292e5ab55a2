"""Where a route sends a request, and where a copy of it: the RouteAction of Envoy.

A Service that nobody knows is answered with 503, as by istiod, whose cluster of it does not exist either.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from envoy_data_plane.envoy.config.core.v3 import RuntimeFractionalPercent
from envoy_data_plane.envoy.config.route.v3 import (
    RetryPolicy,
    RetryPolicyRetryHostPredicate,
    RouteAction,
    RouteActionRequestMirrorPolicy,
)
from envoy_data_plane.envoy.extensions.retry.host.previous_hosts.v3 import PreviousHostsPredicate
from envoy_data_plane.envoy.type.v3 import FractionalPercent, FractionalPercentDenominatorType
from envoy_data_plane.google.protobuf import Any

from authz.local.envoy.document import Document, Node
from authz.local.envoy.mesh import Workload

RETRY_ON = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
FIELDS = ("route", "mirror", "mirrorPercentage", "mirrors", "timeout", "retries")


@dataclass(frozen=True, slots=True)
class Forwarding:
    """For one VirtualService. `port` is the gateway's, which is asked for where nobody says another."""

    document: Document
    workloads: Sequence[Workload]
    port: int

    def action(self, http: Node) -> RouteAction:
        """Without istiod's max_grpc_timeout: it is deprecated, and its successor would replace `timeout`."""
        routes = http.nodes("route")
        if len(routes) != 1:
            raise http.error("route", "must have exactly one destination")
        return RouteAction(
            cluster=self._cluster(routes[0].only("destination")["destination"]),
            timeout=http.duration("timeout"),
            retry_policy=_retry(http["retries"].only("attempts", "perTryTimeout", "retryOn")),
            request_mirror_policies=list(self._mirrors(http)),
        )

    def _cluster(self, destination: Node) -> str:
        destination.only("host", "port")
        host = self.document.full(destination.text("host"))
        ports = [workload.port for workload in self.workloads if workload.host == host]
        default = ports[0] if len(ports) == 1 else self.port
        port = destination["port"].only("number").number("number", default)
        return f"outbound|{port}||{host}"

    def _mirrors(self, http: Node) -> Iterator[RouteActionRequestMirrorPolicy]:
        """A share of nothing is none."""
        if "mirror" in http and (share := _share(http, "mirrorPercentage")):
            yield self._mirror(http["mirror"], share)
        for each in http.nodes("mirrors"):
            if share := _share(each.only("destination", "percentage"), "percentage"):
                yield self._mirror(each["destination"], share)

    def _mirror(self, destination: Node, share: FractionalPercent) -> RouteActionRequestMirrorPolicy:
        return RouteActionRequestMirrorPolicy(
            cluster=self._cluster(destination),
            runtime_fraction=RuntimeFractionalPercent(default_value=share),
            trace_sampled=False,
        )


def _share(node: Node, name: str) -> FractionalPercent | None:
    if name not in node:
        return FractionalPercent(numerator=100)
    value = node[name].only("value").real("value")
    millionths = FractionalPercentDenominatorType.MILLION
    return FractionalPercent(numerator=int(value * 10_000), denominator=millionths) if value else None


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
