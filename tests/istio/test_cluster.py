"""Reading what the cluster holds: what is not understood is left out, never guessed."""

import pytest

from authz.istio import cluster
from authz.istio.cluster import Settings
from authz.istio.hosts import Gateway
from authz.istio.problem import Invalid


def config_map(mesh, namespace="istio-system"):
    metadata = {"name": "istio", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": mesh}}


def gateway(api_version, **spec):
    return {"apiVersion": api_version, "kind": "Gateway", "metadata": {"name": "main"}, "spec": spec}


def test_an_empty_cluster_has_nothing():
    found = cluster.parse([])
    assert (found.services, found.gateways, found.providers, found.owners) == ({}, {}, None, {})


def test_a_service_without_a_selector_is_there_all_the_same():
    found = cluster.parse([{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"}}])
    assert found.services == {"default/db": {}}


def test_gateways_of_the_gateway_api_are_not_istios():
    assert cluster.parse([gateway("gateway.networking.k8s.io/v1", listeners=[])]).gateways == {}


def test_a_server_without_hosts_still_has_a_port():
    server = {"port": {"number": 8443}, "hosts": []}
    found = cluster.parse([gateway("networking.istio.io/v1beta1", servers=[server], selector={"a": "b"})])
    assert found.gateways == {"default/main": Gateway((), frozenset({8443}), {"a": "b"})}


def test_broken_apirules_own_no_host():
    broken = {"apiVersion": "gateway.kyma-project.io/v2", "kind": "APIRule", "metadata": {"name": "a"}}
    assert cluster.parse([broken]).owners == {}


@pytest.mark.parametrize(
    ("documents", "providers"),
    [
        ([config_map("extensionProviders: [{name: authz}]")], {"authz"}),
        ([config_map("")], set()),
        ([config_map("rootNamespace: istio-system")], set()),
        ([config_map("extensionProviders: [{name: authz}]", namespace="elsewhere")], None),
    ],
)
def test_providers_come_from_the_configuration_of_the_mesh(documents, providers):
    assert cluster.parse(documents).providers == providers


@pytest.mark.parametrize("mesh", ["a: [", "text", "extensionProviders: [{}]", "extensionProviders: 1"])
def test_a_broken_mesh_configuration_is_a_problem(mesh):
    with pytest.raises(Invalid, match=r"data\.mesh: ConfigMap istio-system/istio"):
        cluster.parse([config_map(mesh)])


def test_the_gateways_namespace_is_part_of_its_identity():
    assert Settings(gateway_principal="mesh.example/ns/edge/sa/gateway").gateway_namespace == "edge"
