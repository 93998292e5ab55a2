"""docs/install.md, step by step: Helm and the API server take what it shows, and the rule becomes ready.

There are no pods: the controller runs here, with its ServiceAccount's rights and the chart's configuration.
"""

import re
import subprocess
import sys
import time

import pytest
import yaml

from tests.charts import helm
from tests.charts.helm import CHART, NAMESPACE, RELEASE, ROOT, one

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "install.md").read_text()
BLOCKS = dict(re.findall(r"```yaml\n# ([a-z.]+)\n(.*?)```", PAGE, re.DOTALL))
PATIENCE_S = 30.0


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
    assert BLOCKS.keys() == {"values.yaml", "shop.yaml", "rule.yaml", "login.yaml"}


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
    with controlling(cluster, tmp_path):
        assert eventually_ready(cluster) == ["shop", "shop", "Ready", '["shop.example.com"]']
        gone = cluster.kubectl("delete", "apirule", "shop", "--namespace", "shop", "--timeout", "20s")
        assert gone.returncode == 0, gone.stderr
    kinds = "virtualservices,authorizationpolicies,requestauthentications"
    assert cluster.kubectl("get", kinds, "--namespace", "shop", "--output=name").stdout == ""


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


class controlling:  # noqa: N801  # it reads as what it does
    """`authz controller`, as a pod of the chart's would run it."""

    def __init__(self, cluster, folder):
        installed = cluster.kubectl("get", "configmap", "authz", "-n", NAMESPACE, "-o", "yaml").stdout
        settings = yaml.safe_load(yaml.safe_load(installed)["data"]["authz.yaml"])
        settings["controller"]["admin"] = f"unix:{folder}/admin"
        (folder / "authz.yaml").write_text(yaml.safe_dump(settings))
        access = yaml.safe_load(cluster.kubeconfig.read_text())
        access["users"][0]["user"] = {"token": "controller"}
        (folder / "kubeconfig").write_text(yaml.safe_dump(access))
        self._folder = folder

    def __enter__(self):
        command = [sys.executable, "-m", "authz", "controller", "--config", self._folder / "authz.yaml"]
        environment = {"KUBECONFIG": str(self._folder / "kubeconfig")}
        self._process = subprocess.Popen(command, env=environment)

    def __exit__(self, *_):
        self._process.terminate()
        assert self._process.wait(20) == 0


def eventually_ready(cluster):
    """Step 6: what `kubectl get apirules` shows, without the age."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        shown = cluster.kubectl("get", "apirules", "--all-namespaces", "--no-headers").stdout.split()
        if "Ready" in shown or time.monotonic() > deadline:
            return shown[:-1]
        time.sleep(0.2)
