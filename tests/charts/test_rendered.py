"""What the chart renders: secure whatever the values are, and in step with the programs."""

from pathlib import Path

import pytest
import yaml

from authz import __version__, config
from authz.server import replica
from authz.server.h2.limits import LIMITS
from authz.server.telemetry import Telemetry
from tests.charts import helm
from tests.charts.helm import CHART, COMBINATIONS, LOGIN, NAMESPACE, ROOT, Refused, one, rendered

pytestmark = pytest.mark.slow

ROLES = ROOT / "config" / "rbac"
WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
TLS = {"certFile": "/a", "keyFile": "/b"}
NEED_THE_API = {"authz", "authz-controller"}


def pods(documents):
    for document in documents:
        if document["kind"] in WORKLOADS:
            yield document["metadata"]["name"], document["spec"]["template"]


def ours(documents):
    """Those that are not about somebody else's pods."""
    return [each for each in documents if each["metadata"].get("namespace") == helm.NAMESPACE]


@pytest.mark.parametrize("values", COMBINATIONS.values(), ids=COMBINATIONS)
def test_helm_finds_nothing_to_complain_of(values):
    helm.run("lint", "--strict", CHART, values=values)


def test_every_pod_is_restricted(documents):
    for name, pod in pods(documents):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["enableServiceLinks"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            assert "readinessProbe" in container


def test_only_who_asks_the_api_server_has_a_token_for_it(documents):
    mounted = {name for name, pod in pods(documents) if pod["spec"]["automountServiceAccountToken"]}
    settings = yaml.safe_load(one(documents, "ConfigMap", "authz")["data"]["authz.yaml"])
    follows = "kubernetes" in settings["policy"]
    there = {name for name, _ in pods(documents)}
    assert mounted == {name for name in NEED_THE_API & there if follows or name != "authz"}
    for account in (each for each in documents if each["kind"] == "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


def test_no_secret_is_on_a_command_line_or_in_the_environment(documents):
    secrets = [value for each in documents if each["kind"] == "Secret" for value in each["data"].values()]
    for _, pod in pods(documents):
        assert not [secret for secret in secrets if secret in yaml.safe_dump(pod)]


def test_every_selector_finds_its_pods(documents):
    """And nobody else's: Services, policies and budgets name a part."""
    labels = [pod["metadata"]["labels"] for _, pod in pods(documents)]
    for document in ours(documents):
        spec = document.get("spec", {})
        found = spec.get("podSelector") or spec.get("selector") or {}
        selector = found.get("matchLabels", found)
        if not isinstance(selector, dict) or document["kind"] == "ServiceMonitor":
            continue
        count = sum(selector.items() <= each.items() for each in labels)
        assert not selector or count == (2 if document["metadata"]["name"] == "authz-metrics" else 1)


def test_every_pod_runs_where_it_is_told_to():
    where = {"nodeSelector": {"pool": "edge"}, "tolerations": [{"key": "edge", "operator": "Exists"}]}
    login = LOGIN | {"redis": {"enabled": True}} | where
    made = [*pods(rendered({"authorizer": where, "controller": where, "oauth2Proxy": login}))]
    assert len(made) == 4
    assert all(pod["spec"].items() >= where.items() for _, pod in made)


def test_ports_that_are_named_are_there(documents):
    named = {
        port["name"]
        for _, pod in pods(documents)
        for c in pod["spec"]["containers"]
        for port in c.get("ports", ())
    }
    for document in ours(documents):
        if document["kind"] == "Service":
            assert {port["targetPort"] for port in document["spec"]["ports"]} <= named
        if document["kind"] == "NetworkPolicy":
            rules = document["spec"].get("ingress", ())
            allowed = {port["port"] for rule in rules for port in rule["ports"]}
            assert allowed <= named | {15020, 15090}, "ours, and the sidecar's metrics"


def test_the_configuration_is_one_that_the_programs_read(documents):
    settings = config.parse(one(documents, "ConfigMap", "authz")["data"]["authz.yaml"])
    assert settings.controller.lease_namespace == helm.NAMESPACE
    assert settings.policy.kubernetes or settings.policy.files


@pytest.mark.parametrize("file", sorted(ROLES.glob("*.yaml")), ids=lambda file: file.stem)
def test_the_roles_are_those_of_the_repository(file, all_rendered):
    """tests/controller/test_rbac.py tries them: all that is needed works, and nothing else."""
    made = all_rendered["default"]
    for wanted in yaml.safe_load_all(file.read_text()):
        matching = [each for each in made if _bare(each) == wanted]
        assert len(matching) == 1, wanted
    kinds = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    files = [each for path in ROLES.glob("*.yaml") for each in yaml.safe_load_all(path.read_text())]
    assert sum(each["kind"] in kinds for each in made) == sum(each["kind"] in kinds for each in files)


def _bare(document):
    metadata = {key: value for key, value in document["metadata"].items() if key != "labels"}
    rest = {key: value for key, value in document.items() if key != "automountServiceAccountToken"}
    return rest | {"metadata": metadata}


@pytest.mark.parametrize(
    ("name", "mode"), [("default", "ISTIO_MUTUAL"), ("no sidecars", "DISABLE"), ("own TLS", "SIMPLE")]
)
def test_envoys_speak_what_the_authorizer_understands(name, mode, all_rendered):
    policy = one(all_rendered[name], "DestinationRule", "authz")["spec"]["trafficPolicy"]
    assert policy["tls"]["mode"] == mode
    strict = [each for each in all_rendered[name] if each["kind"] == "PeerAuthentication"]
    assert bool(strict) is (mode == "ISTIO_MUTUAL")


def test_large_numbers_stay_whole():
    values = {
        "destinationRule": {"maxRequests": 2_000_000},
        "config": {"log": {"deniedPerSecond": 2_000_000}},
        "oauth2Proxy": LOGIN | {"extraArgs": {"redis-connection-idle-timeout": 2_000_000}},
    }
    text = yaml.safe_dump_all(rendered(values))
    assert text.count("2000000") == 4  # the two limits of Envoy, the program's setting, and the argument
    assert "e+06" not in text


@pytest.mark.parametrize(
    ("values", "filters"),
    [
        ({}, "mesh"),
        ({"envoyFilter": {"enabled": True, "namespace": "root"}}, "root"),
    ],
)
def test_another_mesh_is_read_and_patched_where_it_is(values, filters):
    mesh = {"config": {"istio": {"meshConfig": "mesh/istio-canary"}}, "envoyFilter": {"enabled": True}}
    documents = rendered(mesh | values)
    roles = [each for each in documents if each["kind"] in ("Role", "RoleBinding")]
    elsewhere = {each["kind"]: each for each in roles if each["metadata"]["namespace"] != NAMESPACE}
    assert {each["metadata"]["namespace"] for each in elsewhere.values()} == {"mesh"}
    assert elsewhere["Role"]["rules"][0]["resourceNames"] == ["istio-canary"]
    assert elsewhere.keys() == {"Role", "RoleBinding"}
    assert one(documents, "EnvoyFilter", "authz")["metadata"]["namespace"] == filters
    assert "istio-system" not in yaml.safe_dump(roles)


def test_another_release_has_names_of_its_own():
    made = rendered({"oauth2Proxy": LOGIN}, release="edge", namespace="guards")
    names = {each["metadata"]["name"] for each in made}
    assert names == {"edge-authz", "edge-authz-controller", "edge-authz-oauth2-proxy"}
    text = yaml.safe_dump_all(made)
    assert "authz-system" not in text
    lease = one(made, "ConfigMap", "edge-authz")["data"]["authz.yaml"]
    assert yaml.safe_load(lease)["controller"]["leaseNamespace"] == "guards"


def settled(values):
    template = one(rendered(values), "Deployment", "authz")["spec"]["template"]
    return template["metadata"]["annotations"]["checksum/settings-that-take-a-restart"]


CHANGES = {
    "listen": {"listen": {"maxConnectionAge": "5m"}},
    "workers": {"workers": 2},
    "transport": {"transport": "grpcio"},
    "sources": {"sources": {"timeout": "1s"}},
    "identity_tokens": {"identityTokens": {"ttl": "1m"}},
    "tracing": {"tracing": {"perSecond": 5}},
}


def test_settings_that_take_a_restart_start_pods_anew_and_no_others():
    assert CHANGES.keys() == set(replica._FIXED)
    before = settled({})
    for name, change in CHANGES.items():
        assert settled({"config": change}) != before, name
    assert settled({"config": {"log": {"decisions": "all"}}}) == before, "it is reloaded"


def test_replicas_are_added_by_a_metric_that_there_is(all_rendered):
    telemetry = Telemetry()
    telemetry.under_way(lambda: 1)
    scaler = one(all_rendered["everything"], "HorizontalPodAutoscaler", "authz")["spec"]
    (name,) = [each["pods"]["metric"]["name"] for each in scaler["metrics"] if each["type"] == "Pods"]
    assert f"\n{name} 1.0" in telemetry.page().decode()


def test_alerts_and_the_dashboard_are_those_of_the_repository(all_rendered):
    """To the letter: both have braces that Helm could take for its own."""
    documents = all_rendered["everything"]
    rules = one(documents, "PrometheusRule", "authz-metrics")
    assert rules["spec"] == yaml.safe_load((ROOT / "config" / "alerts" / "authz.yaml").read_text())
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    board = one(documents, "ConfigMap", "authz-dashboard")
    assert board["data"]["authz.json"] == (ROOT / "config" / "dashboards" / "authz.json").read_text()
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_nobody_is_woken_for_a_controller_that_is_not_wanted():
    metrics = {"enabled": True, "prometheusRule": {"enabled": True}}
    made = rendered({"metrics": metrics, "controller": {"enabled": False}})
    groups = one(made, "PrometheusRule", "authz-metrics")["spec"]["groups"]
    assert [group["name"] for group in groups] == ["authz"]


def test_a_pod_that_ends_has_the_time_to_answer_what_is_in_flight(all_rendered):
    spec = one(all_rendered["default"], "Deployment", "authz")["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    waits_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] > waits_s + LIMITS.drain_s + LIMITS.linger_s


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"config": {"sources": {"ttl": 5}}}, "/config/sources/ttl"),
        ({"config": {"sources": {"ttl": "5 minutes"}}}, "/config/sources/ttl"),
        ({"config": {"istio": {"provder": "a"}}}, "provder"),
        ({"config": {"authorizers": [{"name": "a", "acept": []}]}}, "/config/authorizers/0"),
        ({"config": {"authorizers": [{"name": "a", "accept": [{}]}]}}, "/config/authorizers/0/accept/0"),
        ({"replicas": 3}, "replicas"),
        ({"authorizer": {"replicas": 0}}, "/authorizer/replicas"),
        ({"oauth2Proxy": {"provider": "keycloak"}}, "/oauth2Proxy/provider"),
        ({"oauth2Proxy": {"enabled": True, "clientId": "x"}}, "oauth2Proxy.issuer is needed"),
        ({"oauth2Proxy": LOGIN | {"clientSecret": {"name": ""}}}, "oauth2Proxy.clientSecret.name is needed"),
        ({"oauth2Proxy": LOGIN | {"extraArgs": {"client-secret": "s"}}}, "everybody's to read"),
        (
            {"oauth2Proxy": LOGIN | {"extraArgs": {"redis-connection-url": "redis://:s@r"}}},
            "a Secret holds it",
        ),
        ({"oauth2Proxy": LOGIN | {"extraArgs": {"jwt-key": "s"}}}, "a Secret holds it"),
        ({"secrets": ["a}\n- name: b"]}, "/secrets/0"),
        ({"uis": {"kiali": {"gateway": "a/b\n  enforcement: Workload"}}}, "/uis/kiali/gateway"),
        ({"uis": {"kiali": {"namespace": "a: b"}}}, "/uis/kiali/namespace"),
        ({"uis": {"kiali": {"selector": {"app.kubernetes.io/name": None}}}}, "/uis/kiali/selector"),
        ({"config": {"istio": {"gatewaySelector": {}}}}, "/config/istio/gatewaySelector"),
        ({"config": {"istio": {"meshConfig": "istio"}}}, "/config/istio/meshConfig"),
        ({"config": {"listen": {"grpc": "unix:/run/authz"}}}, "no Envoy reaches unix:/run/authz"),
        ({"config": {"listen": {"grpc": "127.0.0.1:9191"}}}, "no Envoy reaches 127.0.0.1:9191"),
        ({"config": {"listen": {"grpc": "[::1]:9191"}}}, "no Envoy reaches [::1]:9191"),
        ({"config": {"controller": {"leaseNamespace": "a"}}}, "config.controller.leaseNamespace"),
        ({"config": {"listen": {"tls": TLS}}}, "takes sidecar: false"),
        ({"config": {"listen": {"tls": TLS}}, "sidecar": False}, "takes destinationRule.tls"),
        ({"destinationRule": {"tls": {"mode": "SIMPLE"}}}, "destinationRule.tls takes config.listen.tls"),
        ({"metrics": {"serviceMonitor": {"enabled": True}}}, "takes metrics.enabled"),
        ({"metrics": {"prometheusRule": {"enabled": True}}}, "takes metrics.enabled"),
    ],
)
def test_mistakes_are_refused_before_anything_is_rendered(values, said):
    with pytest.raises(Refused) as refused:
        rendered(values)
    assert said in str(refused.value)


def test_every_setting_of_the_example_is_one_of_the_charts():
    example = yaml.safe_load((ROOT / "config" / "authz.yaml").read_text())
    rendered({"config": example})


def test_the_chart_runs_the_version_that_it_is_kept_with():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__
    spec = one(rendered({}), "Deployment", "authz")["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == f"authz:{__version__}"


def test_the_chart_has_no_crd_that_helm_would_not_install():
    assert [path.name for path in Path(CHART / "crds").iterdir()] == ["apirules.yaml"]
