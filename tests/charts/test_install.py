"""docs/install.md, step by step: Helm and the API server take what it shows, and the rule becomes ready.

There are no pods: both programs run here, with their ServiceAccounts' rights and the chart's configuration.
"""

import re
import subprocess
import sys
from contextlib import contextmanager

import grpc as grpc_client
import pytest
import yaml

from authz.server import health, service
from tests.charts import helm
from tests.charts.helm import CHART, NAMESPACE, RELEASE, ROOT, one
from tests.server.test_run import eventually
from tests.server.test_service import ask, outcome
from tests.server.transports import free_address

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "install.md").read_text()
BLOCKS = dict(re.findall(r"```yaml\n# ([a-z.]+)\n(.*?)```", PAGE, re.DOTALL))


def values(*names):
    """As Helm merges files: of mappings each setting counts, a list is the last one's."""
    merged: dict[str, object] = {}
    for name in names:
        merged |= yaml.safe_load(BLOCKS[name])
    return merged


@pytest.fixture
def cluster(kube):
    """Step 3: the chart is installed."""
    release = [RELEASE, "--namespace", NAMESPACE]
    helm.run("install", *release, CHART, values=values("values.yaml"), kubeconfig=kube.kubeconfig)
    yield kube
    helm.run("uninstall", *release, kubeconfig=kube.kubeconfig)


def test_the_page_has_what_is_tried_here():
    assert BLOCKS.keys() == {"values.yaml", "shop.yaml", "rule.yaml", "login.yaml", "uis.yaml"}


def test_a_login_is_added_to_what_is_there():
    made = helm.rendered(values("values.yaml", "login.yaml"))
    settings = one(made, "ConfigMap", "authz")["data"]["authz.yaml"]
    (session,) = [
        each["session"]
        for authorizer in yaml.safe_load(settings)["authorizers"]
        for each in authorizer["accept"]
        if "session" in each
    ]
    service = one(made, "Service", "authz-oauth2-proxy")
    name, port = service["metadata"]["name"], service["spec"]["ports"][0]["port"]
    assert session["oauth2Proxy"] == f"http://{name}.{NAMESPACE}:{port}"
    arguments = one(made, "Deployment", "authz-oauth2-proxy")["spec"]["template"]["spec"]["containers"][0]
    assert f"--cookie-name={session['cookieName']}" in arguments["args"]


def test_the_rule_is_ready_once_the_mesh_is_told(cluster, tmp_path):
    register(cluster)
    apply(cluster, BLOCKS["shop.yaml"] + "---\n" + BLOCKS["rule.yaml"])
    grpc, admin = free_address(), f"unix:{tmp_path}/serve"
    listen = {"listen": {"grpc": grpc, "admin": admin}}
    lease = {"controller": {"leaseNamespace": NAMESPACE, "admin": f"unix:{tmp_path}/controller"}}
    with (
        running(cluster, tmp_path, "authz-controller", "controller", **lease),
        running(cluster, tmp_path, "authz", "authorizer", **listen) as page,
    ):
        assert eventually_ready(cluster) == ["shop", "shop", "Ready", '["shop.example.com"]']
        eventually(lambda: health.problem(page, "/readyz") == "")
        eventually(lambda: asked(grpc, "/status/200") == (200, ""))
        assert asked(grpc, "/headers") == (401, "TOKEN_MISSING")
        gone = cluster.kubectl("delete", "apirule", "shop", "--namespace", "shop", "--timeout", "20s")
        assert gone.returncode == 0, gone.stderr
    kinds = "virtualservices,authorizationpolicies,requestauthentications"
    assert cluster.kubectl("get", kinds, "--namespace", "shop", "--output=name").stdout == ""


def asked(address, path):
    with grpc_client.insecure_channel(address) as channel:
        return outcome(channel.unary_unary(service.METHOD)(ask(path), timeout=5))


def register(cluster):
    """Step 4: by hand."""
    command = [sys.executable, "-m", "authz", "config", "mesh"]
    mesh = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    metadata = {"name": "istio", "namespace": "istio-system"}
    cluster.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"mesh": mesh}})
    looked = subprocess.run(
        [*command, "--check", "-"],
        input=cluster.kubectl("get", "configmaps,services", "--all-namespaces", "--output=yaml").stdout,
        capture_output=True,
        text=True,
        check=False,
    )
    assert looked.stdout.startswith("-: extension provider authz: no mistakes"), looked.stderr


def apply(cluster, text):
    namespace, *others = sorted(yaml.safe_load_all(text), key=lambda each: each["kind"] != "Namespace")
    for document in (namespace, *others):
        cluster.apply(document)


@contextmanager
def running(cluster, folder, program, token, **changes):
    """A program, with its pod's arguments, configuration and rights. Gives its admin port."""
    deployment = got(cluster, "deployment", program)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    verb, option, _ = container["args"]
    settings = yaml.safe_load(got(cluster, "configmap", "authz")["data"]["authz.yaml"]) | changes
    file = folder / f"{verb}.yaml"
    file.write_text(yaml.safe_dump(settings))
    access = yaml.safe_load(cluster.kubeconfig.read_text())
    access["users"][0]["user"] = {"token": token}
    (folder / token).write_text(yaml.safe_dump(access))
    command = [sys.executable, "-m", "authz", verb, option, file]
    process = subprocess.Popen(command, env={"KUBECONFIG": str(folder / token)}, stdout=subprocess.DEVNULL)
    try:
        yield f"unix:{folder}/{verb}"
    finally:
        process.terminate()
        assert process.wait(20) == 0


def got(cluster, kind, name):
    shown = cluster.kubectl("get", kind, name, "--namespace", NAMESPACE, "--output=yaml")
    return yaml.safe_load(shown.stdout)


def eventually_ready(cluster):
    """Step 6: what `kubectl get apirules` shows, without the age."""
    shown: list[str] = []

    def ready():
        shown[:] = cluster.kubectl("get", "apirules", "--all-namespaces", "--no-headers").stdout.split()
        return "Ready" in shown

    eventually(ready)
    return shown[:-1]
