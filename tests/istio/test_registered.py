"""How the mesh is told about the authorizer: what is printed has no mistakes, and each mistake is found."""

from copy import deepcopy
from typing import Any

import pytest
import yaml

from authz.istio import mesh, registered, registration
from authz.istio.registration import FORMS, Registration

OURS = Registration()
HERE = "extensionProviders[0].envoyExtAuthzGrpc"
SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "authz", "namespace": "authz-system"},
    "spec": {"ports": [{"name": "grpc", "port": 9191}, {"name": "http", "port": 80}]},
}


def entry(**changes):
    made = registration.entry(OURS)
    made["envoyExtAuthzGrpc"] |= changes
    return made


def without(name):
    made = registration.entry(OURS)
    del made["envoyExtAuthzGrpc"][name]
    return made


def config(*providers, **more):
    return {"extensionProviders": list(providers or [entry()])} | more


def problems(*documents, ours=OURS):
    return [str(problem) for problem in registered.check(documents, ours).problems]


def configmap(body) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": body},
    }


@pytest.mark.parametrize("form", FORMS)
def test_what_is_printed_has_no_mistakes(form):
    printed = FORMS[form](OURS)
    if form == "kyma":  # what Kyma makes of its resource, beside the EnvoyFilter that stays
        [authorizer] = printed[0]["spec"]["config"]["authorizers"]
        name = authorizer.pop("name")
        printed[0] = config({"name": name, "envoyExtAuthzHttp": authorizer})
    assert problems(*printed, SERVICE) == []


def test_another_name_service_and_port_are_printed_and_found():
    ours = Registration("other", "here.there.svc.example.org", 1234)
    (printed,) = FORMS["meshconfig"](ours)
    service = deepcopy(SERVICE) | {"metadata": {"name": "here", "namespace": "there"}}
    service["spec"]["ports"] = [{"name": "x", "port": 1234, "appProtocol": "kubernetes.io/h2c"}]
    assert problems(printed, service, ours=ours) == []


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (configmap(yaml.safe_dump(config(entry(failOpen=True)))), "data.mesh."),
        ({"kind": "IstioOperator", "spec": {"meshConfig": config(entry(failOpen=True))}}, "spec.meshConfig."),
        ({"meshConfig": config(entry(failOpen=True))}, "meshConfig."),
        (config(entry(failOpen=True)), ""),
    ],
)
def test_the_configuration_is_found_wherever_it_stands(document, path):
    (found,) = problems(document)
    assert found.startswith(f"{path}{HERE}.failOpen: ")


PROVIDERS = "extensionProviders"


@pytest.mark.parametrize(
    ("document", "path", "said"),
    [
        ({}, "meshConfig", "there is no MeshConfig"),
        ({"kind": "Service"}, "meshConfig", "there is no MeshConfig"),
        ({"kind": "ConfigMap", "data": {"other": ""}}, "meshConfig", "there is no MeshConfig"),
        (configmap("{"), "data.mesh", "is not YAML"),
        (configmap("- a"), "data.mesh", "must be a mapping"),
        (config(entry() | {"name": "authzz"}), PROVIDERS, 'no provider "authz"'),
        (config(entry() | {"name": "authzz"}), PROVIDERS, 'did you mean "authzz"?'),
        ({PROVIDERS: None}, PROVIDERS, 'no provider "authz"'),
        (config(entry(), entry()), f"{PROVIDERS}[1].name", "is a second"),
        (config(entry(), {"name": "a.b", "envoyExtAuthzHttp": {}}), f"{PROVIDERS}[1].name", "Istio 1.30"),
        (config({"name": "authz", "zipkin": {}}), f"{PROVIDERS}[0]", "speaks gRPC"),
        (config({"name": "authz", "envoyExtAuthzHttp": {}}), f"{PROVIDERS}[0]", "--format kyma"),
        (config(without("timeout")), f"{HERE}.timeout", "10 minutes"),
        (config(entry(timeout="0s")), f"{HERE}.timeout", "10 minutes"),
        (config(entry(timeout="0.00s")), f"{HERE}.timeout", "10 minutes"),
        (config(entry(timeout="600s")), f"{HERE}.timeout", "too much"),
        (config(entry(timeout="10.001s")), f"{HERE}.timeout", "too much"),
        (config(entry(timeout="1.5s")), f"{HERE}.timeout", "at least 2s"),
        (config(entry(timeout="2")), f"{HERE}.timeout", "no time in seconds"),
        (config(entry(timeout="2m")), f"{HERE}.timeout", "no time in seconds"),
        (config(entry(timeout="s")), f"{HERE}.timeout", "no time in seconds"),
        (config(entry(service="authz")), f"{HERE}.service", "must be the whole name"),
        (config(entry(failOpen=True)), f"{HERE}.failOpen", "lets every request pass"),
        (config(entry(failOpen="yes")), f"{HERE}.failOpen", "must be true or false"),
        (config(without("statusOnError")), f"{HERE}.statusOnError", "503"),
        (config(entry(statusOnError="200")), f"{HERE}.statusOnError", "must be an error"),
        (config(entry(statusOnError=503)), f"{HERE}.statusOnError", "must be text"),
        (config(entry(includeRequestBodyInCheck={})), f"{HERE}.includeRequestBodyInCheck", "hold back"),
        (config(without("port")), f"{HERE}.port", "is required"),
        (config(entry(port=0)), f"{HERE}.port", "must be 1 or more"),
        (config(pathNormalization={"normalization": "NONE"}), "pathNormalization.normalization", "NONE"),
    ],
)
def test_each_mistake_is_found(document, path, said):
    (found,) = problems(document)
    assert found.startswith(f"{path}: ")
    assert said in found


@pytest.mark.parametrize(
    "document",
    [
        config(entry(port="9191")),
        config(entry(timeout="2s")),
        config(entry(timeout="2.5s")),
        config(entry(timeout="10s")),
        config(entry(), {"name": "with.dots", "zipkin": {}}),
        config(pathNormalization={"normalization": "MERGE_SLASHES"}),
        config(entry(service="authz-system/authz.authz-system.svc.cluster.local")),
        config(entry(service="authz.example.org")),  # perhaps a ServiceEntry
    ],
)
def test_what_is_safe_is_not_complained_of(document):
    assert problems(document, SERVICE) == []


@pytest.mark.parametrize(
    ("changes", "at", "said"),
    [
        ({"service": "authz"}, "service", "must be the whole name"),
        ({"service": "authz.authz-system.svc"}, "service", "must be the whole name"),
        ({"service": "auths.authz-system.svc.cluster.local"}, "service", "auths not found, did you mean"),
        ({"port": 9192}, "port", "has no port 9192, it has 80, 9191"),
        ({"port": 80}, "port", "appProtocol: grpc"),
    ],
)
def test_the_address_leads_to_a_service_that_speaks_grpc(changes, at, said):
    (found,) = problems(config(entry(**changes)), SERVICE)
    assert found.startswith(f"{HERE}.{at}: ")
    assert said in found


@pytest.mark.parametrize(
    ("port", "is_grpc"),
    [
        ({"name": "grpc"}, True),
        ({"name": "grpc-checks"}, True),
        ({"name": "http2-checks"}, True),
        ({"name": "grpcs"}, False),
        ({"name": "x", "appProtocol": "grpc"}, True),
        ({"name": "grpc", "appProtocol": "http"}, False),
        ({}, False),
    ],
)
def test_a_ports_type_is_its_app_protocol_else_the_beginning_of_its_name(port, is_grpc):
    service = deepcopy(SERVICE)
    service["spec"]["ports"] = [port | {"port": 9191}]
    assert bool(problems(config(), service)) is not is_grpc


def policy(key, provider="authz", *, labels=None, refs=(), **more):
    namespace, name = key.split("/")
    spec: dict[str, Any] = {"action": "CUSTOM", "provider": {"name": provider}}
    spec |= {"selector": {"matchLabels": labels}} if labels else {}
    spec |= {"targetRefs": [{"kind": "Gateway", "name": ref} for ref in refs]} if refs else {}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"namespace": namespace, "name": name} | more,
        "spec": spec,
    }


OTHER = policy("shop/b", "other", labels={"app": "shop"})
BOTH = config(entry(), {"name": "other", "envoyExtAuthzGrpc": {"port": 1}})


@pytest.mark.parametrize(
    ("ours", "theirs", "meet"),
    [
        (policy("shop/a", labels={"app": "shop"}), OTHER, True),
        (policy("shop/a", labels={"tier": "web"}), OTHER, True),
        (policy("shop/a", labels={"app": "cart"}), OTHER, False),
        (policy("shop/a"), OTHER, True),
        (policy("cart/a"), OTHER, False),
        (policy("istio-system/a"), OTHER, True),
        (policy("istio-system/a", labels={"istio": "ingressgateway"}), OTHER, True),
        (policy("shop/a", "other"), OTHER, False),
        (policy("shop/a", refs=["gw"]), policy("shop/b", "other", refs=["gw"]), True),
        (policy("shop/a", refs=["gw"]), policy("shop/b", "other", refs=["eastwest"]), False),
        (policy("shop/a", refs=["gw"]), OTHER, True),
    ],
)
def test_two_providers_on_one_workload_are_found(ours, theirs, meet):
    found = problems(BOTH, ours, theirs)
    assert bool(found) is meet
    assert not meet or "Istio denies everything there" in found[0]


def test_without_a_mesh_no_policy_is_blamed():
    assert len(problems(OTHER)) == 1


def test_a_single_target_counts_as_one_of_several():
    attached = policy("shop/a")
    attached["spec"]["targetRef"] = {"kind": "Gateway", "name": "gw"}
    assert problems(BOTH, attached, policy("shop/b", "other", refs=["gw"]))


def test_a_policy_that_only_allows_asks_nobody():
    allowing = policy("shop/a") | {"spec": {"selector": {"matchLabels": {"app": "shop"}}}}
    assert problems(BOTH, allowing, OTHER) == []


def test_a_policy_that_asks_nobody_is_named():
    (found,) = problems(config(), policy("shop/a"), OTHER | {"metadata": {"name": "b", "namespace": "cart"}})
    assert found == (
        'AuthorizationPolicy cart/b: asks provider "other", '
        "which the mesh does not have: Istio refuses what it selects"
    )


def test_dry_run_is_no_trial_with_custom():
    (found,) = problems(config(), policy("shop/a", annotations={"istio.io/dry-run": "true"}))
    assert found.startswith("AuthorizationPolicy shop/a: ")


def test_it_is_said_what_could_not_be_looked_at():
    assert registered.check([config()], OURS).unseen == ("Services", "AuthorizationPolicies")
    assert registered.check([config(), SERVICE, policy("shop/a")], OURS).unseen == ()


def test_a_document_that_can_not_be_read_is_named():
    broken = policy("shop/a") | {"spec": {"action": 7}}
    assert problems(config(), broken) == ["AuthorizationPolicy shop/a: spec.action: must be text"]


def test_the_configuration_of_a_revision_is_named():
    canary = configmap(yaml.safe_dump(config(entry(failOpen=True))))
    canary["metadata"]["name"] = "istio-canary"
    (found,) = problems(configmap(yaml.safe_dump(config())), canary)
    assert found.startswith(f"ConfigMap istio-system/istio-canary: data.mesh.{HERE}.failOpen: ")


def test_one_mesh_is_read_once():
    found = list(mesh.configs(configmap(yaml.safe_dump(config())), []))
    assert [each.config.root_namespace for each in found] == ["istio-system"]
