"""What the EnvoyFilters make of istiod's ext_authz filter: a real Envoy takes it, and asks over gRPC."""

import json
from contextlib import asynccontextmanager
from copy import deepcopy

import pytest

from authz.istio.registration import Registration, over_grpc
from authz.server.h2 import server as h2
from tests.charts.helm import ROOT, one
from tests.server import gateway
from tests.server.test_service import GOOD
from tests.server.test_service import service as ready_service
from tests.server.transports import free_address

pytestmark = pytest.mark.slow

SERVICES = {"grpc_service", "http_service"}  # of which a filter has one
ISTIOD = json.loads((ROOT / "tests" / "local" / "istiod" / "custom-gateway.out.json").read_text())
(OVER_GRPC,) = (
    found["typed_config"]
    for found in ISTIOD["gateway"]["http_connection_managers"][0]["hcm"]["http_filters"]
    if found["name"] == "envoy.filters.http.ext_authz"
)
CLUSTER = OVER_GRPC["grpc_service"]["envoy_grpc"]["cluster_name"]
# As istiod makes it of a provider that asks over HTTP.
OVER_HTTP = {
    "@type": OVER_GRPC["@type"],
    "http_service": {"server_uri": {"uri": "http://authz", "cluster": CLUSTER, "timeout": "2s"}},
    "allowed_headers": {"patterns": [{"exact": "cookie", "ignore_case": True}]},
    "transport_api_version": "V3",
}


def merged(made, patch):
    """As protobuf merges messages: lists grow, and of a choice the last counts."""
    found = deepcopy(made)
    if SERVICES & patch.keys():
        found = {key: value for key, value in found.items() if key not in SERVICES}
    for key, value in patch.items():
        match found.get(key), value:
            case dict() as inner, dict():
                found[key] = merged(inner, value)
            case list() as inner, list():
                found[key] = inner + value
            case _:
                found[key] = value
    return found


def patches(document):
    found = document["spec"]["configPatches"]
    assert {each["match"]["context"] for each in found} == {"GATEWAY", "SIDECAR_INBOUND"}
    assert {each["patch"]["operation"] for each in found} == {"MERGE"}
    (value,) = {json.dumps(each["patch"]["value"]["typed_config"]) for each in found}
    return json.loads(value)


@asynccontextmanager
async def asking(check, folder):
    """An authorizer, and an Envoy whose filter that is, without the RBAC filter that comes before it."""
    check = {key: value for key, value in check.items() if key != "filter_enabled_metadata"}
    check = json.loads(json.dumps(check).replace(CLUSTER, "authz"))
    where = free_address()
    server = h2.Server(ready_service(), where)
    await server.start()
    await server.serving(ready=True)
    try:
        async with gateway.running(where, folder, 2.0, asking=check) as envoy:
            yield server, envoy
    finally:
        await server.stop()


async def test_our_answers_are_valid_and_counted_under_our_name(all_rendered, tmp_path):
    patch = patches(one(all_rendered["everything"], "EnvoyFilter", "authz"))
    async with asking(merged(OVER_GRPC, patch), tmp_path) as (_, envoy):
        assert await envoy.status("/any", GOOD) == 200
        assert await envoy.status("/any") == 401
        assert await envoy.count("http.front.ext_authz.authz.denied") == 1
        assert await envoy.count("http.front.ext_authz.authz.ok") >= 1
        assert await envoy.count("http.front.ext_authz.authz.invalid") == 0


async def test_a_filter_that_asks_over_http_is_turned_to_grpc(tmp_path):
    check = merged(OVER_HTTP, patches(over_grpc(Registration())))
    assert check["grpc_service"] == OVER_GRPC["grpc_service"]
    async with asking(check, tmp_path) as (server, envoy):
        assert await envoy.status("/any", GOOD) == 200, "the authorization header reaches the authorizer"
        assert await envoy.status("/any") == 401
        await server.stop()
        assert await envoy.status("/any", GOOD) == 503, "and while it is down nobody passes"
