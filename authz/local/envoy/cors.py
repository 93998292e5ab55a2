"""The corsPolicy of a route. Envoy answers a preflight itself when its origin is one of these.

One that does not match goes on to the workload, as Istio has it unless told otherwise.
"""

from envoy_data_plane.envoy.config.core.v3 import RuntimeFractionalPercent
from envoy_data_plane.envoy.extensions.filters.http.cors.v3 import CorsPolicy
from envoy_data_plane.envoy.type.v3 import FractionalPercent
from envoy_data_plane.google.protobuf import Any

from authz.local.envoy import matchers
from authz.local.envoy.document import Node

FILTER = "envoy.filters.http.cors"


def per_route(node: Node) -> dict[str, Any]:
    """The route's configuration of the cors filter."""
    node.only("allowOrigins", "allowMethods", "allowHeaders", "exposeHeaders", "allowCredentials", "maxAge")
    policy = CorsPolicy(
        allow_origin_string_match=[matchers.choice(origin) for origin in node.nodes("allowOrigins")],
        allow_methods=",".join(node.texts("allowMethods")),
        allow_headers=",".join(node.texts("allowHeaders")),
        expose_headers=",".join(node.texts("exposeHeaders")),
        max_age=f"{node.duration('maxAge').total_seconds():.0f}" if "maxAge" in node else "",
        allow_credentials=node.flag("allowCredentials") if "allowCredentials" in node else None,
        filter_enabled=RuntimeFractionalPercent(default_value=FractionalPercent(numerator=100)),
        forward_not_matching_preflights=True,
    )
    return {FILTER: Any.pack(policy)}
