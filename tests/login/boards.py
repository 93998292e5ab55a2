"""The real dashboards, each at the port that the site keeps for it. `grafana` has what stands in for one."""

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from authz.local import programs
from authz.local.apiserver import ApiServer
from authz.local.ports import LOOPBACK
from tests.servers import answers, free_port, until

SHOP = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": {"name": "shop", "namespace": "shop"},
    "spec": {"hosts": ["shop"], "http": [{"route": [{"destination": {"host": "shop"}}]}]},
}


@contextmanager
def prometheus(folder: Path, port: int, url: str) -> Iterator[None]:
    """`url` is where people see it."""
    settings = folder / "prometheus.yaml"
    settings.write_text("{}")
    options = {
        "config.file": settings,
        "storage.tsdb.path": folder / "tsdb",
        "web.listen-address": f"{LOOPBACK}:{port}",
        "web.external-url": url,
    }
    # Istio's addon has the switch, by which a POST may stop it.
    with _running(
        "prometheus", folder, options, f"http://{LOOPBACK}:{port}/-/ready", "--web.enable-lifecycle"
    ):
        yield


@contextmanager
def jaeger(folder: Path, ports: Mapping[str, int]) -> Iterator[None]:
    """`ports` are by the names that `JAEGER` has; where one is left out it is some other."""
    options = {f"{name}.host-port": f"{LOOPBACK}:{ports.get(name) or free_port()}" for name in JAEGER}
    with _running("jaeger", folder, options, f"http://{options['query.http-server.host-port']}/"):
        yield


# Each of its listeners, and the port that it has in a cluster.
JAEGER = {
    "query.http-server": 16686,
    "query.grpc-server": 16685,
    "collector.otlp.grpc": 4317,
    "collector.otlp.http": 4318,
    "collector.zipkin": 9411,
    "collector.grpc-server": 14250,
    "collector.http-server": 14268,
    "admin.http": 14269,
}


@contextmanager
def kiali(folder: Path, port: int, prometheus_port: int) -> Iterator[ApiServer]:
    """In view-only mode, as the chart's notes have it, and the API server that it looks at.

    Its role may write, as Istio's addon has it.
    """
    with ApiServer(folder / "kube") as kube:
        _furnish(kube)
        (folder / "console").mkdir()
        settings = _kiali(port, kube.kubeconfig, f"http://{LOOPBACK}:{prometheus_port}")
        (folder / "kiali.yaml").write_text(yaml.safe_dump(settings))
        with _running("kiali", folder, {"config": "kiali.yaml"}, f"http://{LOOPBACK}:{port}/healthz"):
            yield kube


def _furnish(kube: ApiServer) -> None:
    """It waits until it can list all that Istio has."""
    with programs.istio_crds().open() as file:
        kube.install(found for found in yaml.load_all(file, yaml.CSafeLoader) if found)
    for name in ("istio-system", "shop"):
        kube.namespace(name)
    kube.apply(SHOP)


def _kiali(port: int, kubeconfig: Path, prometheus_url: str) -> dict[str, Any]:
    return {
        "auth": {"strategy": "anonymous"},
        "deployment": {
            "view_only_mode": True,
            "cluster_wide_access": True,
            "namespace": "istio-system",
            "remote_secret_path": str(kubeconfig),
        },
        "external_services": {
            "grafana": {"enabled": False},
            "istio": {"istio_api_enabled": False},
            "prometheus": {"url": prometheus_url},
            "tracing": {"enabled": False},
        },
        "kubernetes_config": {"cluster_name": "Kubernetes"},
        "server": {
            "address": LOOPBACK,
            "port": port,
            "web_root": "/",
            "static_content_root_directory": "console",  # empty: what it shows is had of no registry
            "observability": {"metrics": {"enabled": False}},
        },
    }


@contextmanager
def _running(
    name: str, folder: Path, options: Mapping[str, object], ready: str, *switches: str
) -> Iterator[None]:
    command: list[str | Path] = [
        programs.get(name),
        *(f"--{option}={value}" for option, value in options.items()),
        *switches,
    ]
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
        try:
            until(lambda: process.poll() is not None or answers(ready))
            assert process.poll() is None, (folder / f"{name}.log").read_text()[-2000:]
            yield
        finally:
            process.kill()  # nothing is worth saving, and Jaeger would wait for its callers
            process.wait()
