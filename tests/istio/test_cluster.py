"""Reading what the cluster holds: what is not understood is left out with a problem, never guessed."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from authz.istio import cluster
from authz.istio.hosts import Gateway
from authz.istio.services import Service
from tests.istio.meshes import SETTINGS, known

GOLDEN = Path(__file__).parent / "golden"
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}}


def config_map(mesh, namespace="istio-system"):
    metadata = {"name": "istio", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": mesh}}


def gateway(api_version, **spec):
    return {"apiVersion": api_version, "kind": "Gateway", "metadata": {"name": "main"}, "spec": spec}


def test_an_empty_cluster_has_nothing():
    found = known([])
    assert (found.services, found.gateways, found.providers, found.owners) == ({}, {}, None, {})


def test_a_service_without_a_selector_is_there_all_the_same():
    assert known([SERVICE]).services == {"default/db": Service()}


def test_gateways_of_the_gateway_api_are_not_istios():
    assert known([gateway("gateway.networking.k8s.io/v1", listeners=[])]).gateways == {}


def test_a_server_without_hosts_still_has_a_port():
    server = {"port": {"number": 8443}, "hosts": []}
    found = known([gateway("networking.istio.io/v1beta1", servers=[server], selector={"a": "b"})])
    assert found.gateways == {"default/main": Gateway((), frozenset({8443}), {"a": "b"})}


def test_what_is_written_and_left_empty_is_nothing():
    empty = gateway("networking.istio.io/v1", servers=None, selector=None)
    found = known([empty, SERVICE | {"spec": None}, config_map("") | {"data": None}])
    assert (found.services, found.gateways) == ({"default/db": Service()}, {"default/main": Gateway()})
    assert found.providers == {}


def test_broken_apirules_own_no_host():
    broken = {"apiVersion": "gateway.kyma-project.io/v2", "kind": "APIRule", "metadata": ["a"]}
    assert known([broken]).owners == {}


@pytest.mark.parametrize(
    ("documents", "providers"),
    [
        ([config_map("extensionProviders: [{name: authz, envoyExtAuthzGrpc: {}}]")], {"authz": ""}),
        ([config_map("")], {}),
        ([config_map("rootNamespace: istio-system")], {}),
        ([config_map("extensionProviders:")], {}),
        ([config_map("---")], {}),
        ([config_map("extensionProviders: [{name: authz}]", namespace="elsewhere")], None),
        ([config_map(7, namespace="elsewhere")], None),
        ([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": 1}], None),
    ],
)
def test_providers_come_from_the_configuration_of_the_mesh(documents, providers):
    assert known(documents).providers == providers


BROKEN = [
    ("kind: Service, metadata: [], spec: {}", "Service default/?: metadata: must be a mapping"),
    ("kind: Service, metadata: {}", "Service default/?: metadata.name: is required"),
    ("kind: Service", "Service default/?: metadata: is required"),
    ("kind: Service, metadata: {name: a, namespace: 1}", "Service 1/a: metadata.namespace: must be text"),
    ("kind: Service, metadata: {name: a}, spec: x", "Service default/a: spec: must be a mapping"),
    (
        "kind: Service, metadata: {name: a}, spec: {selector: {app: 1}}",
        "Service default/a: spec.selector.app: must be text",
    ),
    (
        "kind: Service, metadata: {name: a}, spec: {selector: {1: a}}",
        "Service default/a: spec.selector[1]: must be text",
    ),
    (
        "kind: ConfigMap, metadata: {name: istio, namespace: istio-system}, data: []",
        "ConfigMap istio-system/istio: data: must be a mapping",
    ),
    ("kind: Gateway, metadata: {name: a}, spec: []", "Gateway default/a: spec: must be a mapping"),
    (
        "kind: Gateway, metadata: {name: a}, spec: {servers: 1}",
        "Gateway default/a: spec.servers: must be a list",
    ),
    (
        "kind: Gateway, metadata: {name: a}, spec: {servers: [{hosts: [b]}]}",
        "Gateway default/a: spec.servers[0].port: is required",
    ),
    (
        "kind: Gateway, metadata: {name: a}, spec: {servers: [{port: {number: 80}, hosts: [1]}]}",
        "Gateway default/a: spec.servers[0].hosts[0]: must be text",
    ),
    (
        "kind: Gateway, metadata: {name: a}, spec: {servers: [{port: {number: 0}}]}",
        "Gateway default/a: spec.servers[0].port.number: must be 1 or more",
    ),
]


@pytest.mark.parametrize(("written", "problem"), BROKEN)
def test_a_broken_object_is_named_and_stops_nobody_else(written, problem):
    broken = {"apiVersion": "networking.istio.io/v1" if "Gateway" in written else "v1"}
    broken |= yaml.safe_load(f"{{{written}}}")
    found, reported = cluster.parse([broken, SERVICE], {}, (), SETTINGS)
    assert [str(each) for each in reported] == [problem]
    assert found.services == {"default/db": Service()}
    assert found.gateways == {}


@pytest.mark.parametrize(
    ("mesh", "problem"),
    [
        (1, "data.mesh: must be text that holds YAML"),
        ("a: [", "data.mesh: is not YAML: "),
        ("a: 2026-13-01", "data.mesh: is not YAML: a value can not be read: month must be in 1..12"),
        ("[" * 9_999, "data.mesh: is not YAML: line 1, column 51: nested deeper than 50 levels"),
        ("a: &x [1]\nb: *x", "data.mesh: is not YAML: line 2, column 4: aliases are not supported"),
        ("a: 1\n---\nb: 1", "data.mesh: must be a single YAML document"),
        ("text", "data.mesh: must be a mapping"),
        ("extensionProviders: [{}]", "data.mesh.extensionProviders[0].name: is required"),
        ("extensionProviders: 1", "data.mesh.extensionProviders: must be a list"),
    ],
)
def test_a_broken_mesh_configuration_is_a_problem(mesh, problem):
    found, reported = cluster.parse([config_map(mesh), SERVICE], {}, (), SETTINGS)
    assert len(reported) == 1
    assert str(reported[0]).startswith(f"ConfigMap istio-system/istio: {problem}")
    assert (found.providers, found.services) == (None, {"default/db": Service()})


def test_the_mesh_is_configured_where_the_settings_say():
    told = replace(SETTINGS, mesh_config="mesh/istio-canary")
    there = config_map("extensionProviders: [{name: canary}]")
    there["metadata"] = {"name": "istio-canary", "namespace": "mesh"}
    stale = config_map("extensionProviders: [{name: stale}]")
    assert cluster.parse([stale, there], {}, (), told)[0].providers == {"canary": ""}
    assert cluster.parse([stale], {}, (), told)[0].providers is None


def test_the_gateways_namespace_is_part_of_its_identity():
    assert replace(SETTINGS, gateway_principal="mesh.example/ns/edge/sa/gateway").gateway_namespace == "edge"


junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inner)
    ),
    max_leaves=4,
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_stands_in_a_document_nothing_is_raised(data):
    documents = list(yaml.safe_load_all((GOLDEN / "mixed-access.in.yaml").read_text()))
    for _ in range(data.draw(st.integers(1, 3))):
        spoil(data.draw, documents)
    cluster.parse([each for each in documents if isinstance(each, dict)], {}, (), SETTINGS)


def spoil(draw, here):
    """Puts junk in some place."""
    while True:
        place = draw(st.sampled_from(list(here) if isinstance(here, dict) else range(len(here))))
        if draw(st.booleans()) or not isinstance(here[place], dict | list) or not here[place]:
            here[place] = draw(junk)
            return
        here = here[place]
