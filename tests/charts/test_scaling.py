"""Replicas by checks in flight: the real prometheus-adapter offers it by the rule of the docs."""

import re
import subprocess
from contextlib import ExitStack

import httpx
import pytest
import yaml

from authz.local import programs
from authz.server.telemetry import Telemetry
from tests.charts.helm import NAMESPACE, ROOT, one
from tests.observability.test_prometheus import Prometheus, served
from tests.server.test_run import eventually, free_port

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "observability.md").read_text()
(RULE,) = re.findall(r"```yaml\n(- seriesQuery.*?)```", PAGE, re.DOTALL)
(ASKED,) = re.findall(r'kubectl get --raw "(/apis/custom\.metrics\.k8s\.io/.*?)"', PAGE)
WAITING = {"authz-1": 7, "authz-2": 3}


def telling(checks):
    telemetry = Telemetry()
    telemetry.under_way(lambda: checks)
    return telemetry.page


def ending(stack, process):
    stack.callback(process.wait, 10)
    stack.callback(process.terminate)


def scraped(stack, kube, folder, labels):
    """A Prometheus that reads two replicas, and another pod of their namespace."""
    targets = {}
    for name, checks in (WAITING | {"other": 90}).items():
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels if name in WAITING else {}}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}
        kube.apply(pod | {"spec": {"containers": [{"name": "a", "image": "a"}]}})
        address = stack.enter_context(served(telling(checks)))
        targets[address] = {"namespace": NAMESPACE, "pod": name}
    prometheus = Prometheus(folder, targets)
    ending(stack, prometheus.process)
    return prometheus.url


def adapting(stack, kube, folder, prometheus):
    """Its address; who asks is known to the API server."""
    (folder / "rules.yaml").write_text(yaml.safe_dump({"rules": yaml.safe_load(RULE)}))
    port = free_port()
    options = [
        f"--config={folder}/rules.yaml",
        f"--prometheus-url={prometheus}",
        "--metrics-relist-interval=1s",
    ]
    options += [
        f"--{which}-kubeconfig={kube.kubeconfig}" for which in ("lister", "authentication", "authorization")
    ]
    options += ["--bind-address=127.0.0.1", f"--secure-port={port}", f"--cert-dir={folder}/certs"]
    with (folder / "adapter.log").open("wb") as log:
        command = [str(programs.get("prometheus-adapter")), *options]
        ending(stack, subprocess.Popen(command, stdout=log, stderr=log))
    return f"https://127.0.0.1:{port}"


def test_the_autoscaler_is_told_how_many_checks_wait_in_each_replica(kube, all_rendered, tmp_path):
    scaled = all_rendered["everything"]
    metric = one(scaled, "HorizontalPodAutoscaler", "authz")["spec"]["metrics"][1]["pods"]["metric"]["name"]
    labels = one(scaled, "Deployment", "authz")["spec"]["selector"]["matchLabels"]
    assert ASKED.endswith(f"/namespaces/{NAMESPACE}/pods/*/{metric}")
    query = {"labelSelector": ",".join(f"{name}={value}" for name, value in labels.items())}
    with ExitStack() as stack:
        address = adapting(stack, kube, tmp_path, scraped(stack, kube, tmp_path, labels))
        bearer = {"authorization": f"Bearer {kube.token}"}
        client = stack.enter_context(
            httpx.Client(base_url=address, headers=bearer, verify=False)
        )  # its own making

        def told():
            try:
                items = client.get(ASKED, params=query).json().get("items", [])
            except httpx.TransportError:
                return {}
            return {item["describedObject"]["name"]: int(item["value"]) for item in items}

        eventually(lambda: told() == WAITING)
