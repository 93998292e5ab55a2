"""What the compiler makes of six inputs, held equal to what a real istiod 1.30.3 made of them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from envoy_data_plane.envoy.config.listener.v3 import Listener

from authz.local import envoy
from authz.local.envoy.bootstrap import as_json
from tests.local.meshes import SHOP, mesh

CASES = Path(__file__).parent / "istiod"
NAMES = sorted(path.name.removesuffix(".in.yaml") for path in CASES.glob("*.in.yaml"))

# They measure, or nothing we emit can turn them on.
FILTERS_LEFT_OUT = ("envoy.filters.http.grpc_stats", "envoy.filters.http.fault")
FIELDS_LEFT_OUT = (
    *("metadata", "decorator", "stat_prefix", "access_log"),  # for people who watch
    "rds",  # istiod sends the gateway's table by itself, ours stands in its listener
    "local_jwks",  # a key of istiod's own test bench
)


MESH = mesh()


def ours(name: str) -> envoy.Compiled:
    return envoy.compile(yaml.safe_load_all((CASES / f"{name}.in.yaml").read_text()), MESH)


def theirs(name: str) -> Any:
    return json.loads((CASES / f"{name}.out.json").read_text())


def manager(listener: Listener) -> dict[str, Any]:
    """The HTTP connection manager, its route table apart."""
    found: dict[str, Any] = as_json(listener)["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def meaning(config: Any) -> Any:
    """A configuration without what means nothing, in the words that Envoy 1.40 does not deprecate."""
    if isinstance(config, dict):
        return {key: meaning(value) for key, value in _reworded(config).items() if key not in FIELDS_LEFT_OUT}
    if isinstance(config, list):
        return [meaning(item) for item in config if not _left_out(item)]
    if isinstance(config, str):  # one Envoy stands for the sidecars of all workloads, its names say which
        return config.replace(f"inbound|8000||{SHOP}", "inbound|8000||")
    return config


def _reworded(config: dict[str, Any]) -> dict[str, Any]:
    match config:
        case {"metadata": {"filter": _} as matcher}:
            return {"sourced_metadata": {"metadata_matcher": matcher}}
        case {"max_grpc_timeout": _, **rest}:  # deprecated; a call's own deadline is left out
            return rest
        case {"rules": _, "shadow_rules_stat_prefix": "istio_dry_run_allow_", **rest}:
            return {**rest, "rules": config["rules"]}  # a name for shadow rules that are not there
        case _:
            return config


def _left_out(item: Any) -> bool:
    return isinstance(item, dict) and item.get("name") in FILTERS_LEFT_OUT


@pytest.mark.parametrize("name", NAMES)
def test_the_gateway_manages_connections_as_istiod_has_it(name):
    [listener] = ours(name).gateway.listeners
    got = {key: value for key, value in manager(listener).items() if key != "route_config"}
    [expected] = theirs(name)["gateway"]["http_connection_managers"]
    assert meaning(got) == meaning(expected["hcm"])


@pytest.mark.parametrize("name", NAMES)
def test_the_gateway_routes_as_istiod_has_it(name):
    [listener] = ours(name).gateway.listeners
    [expected] = theirs(name)["gateway"]["routes"]
    del expected["@type"]
    assert meaning(manager(listener)["route_config"]) == meaning(expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_sidecar_guards_as_istiod_has_it(name):
    [listener] = ours(name).sidecar.listeners
    [expected] = theirs(name)["sidecar"]["http_connection_managers"]
    assert meaning(manager(listener)) == meaning(expected["hcm"])


def test_there_are_six_cases():
    assert len(NAMES) == 6
