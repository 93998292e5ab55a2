"""The chart's dashboards on the laptop: what Helm renders, beside the samples, with a real Prometheus."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from authz.local import programs
from authz.local.laptop import Laptop
from authz.local.ports import LOOPBACK
from authz.local.site import Places
from tests.charts.helm import one, rendered

ISSUER = "https://authz.example.com"
PROMETHEUS = ("prometheus.istio-system.svc.cluster.local", 9090)

# What the APIRules of the dashboards name.
CLUSTER = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
    - port: {number: 443, name: https, protocol: HTTPS}
      tls: {mode: SIMPLE, credentialName: example-com}
      hosts: ["*.example.com"]
""" + "".join(
    f"""---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: istio-system}}
spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: {port}}}]}}
"""
    for name, port in (("kiali", 20001), ("grafana", 3000), ("tracing", 80), ("prometheus", 9090))
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """Documents, and authorizers as the configuration has them."""

    documents: str
    authorizers: str
    settings: str


def behind(login: dict[str, Any], keys: Path) -> Rendered:
    """Prometheus and Grafana, for admins, and the key that tells Grafana who they are."""
    key = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*key, "-out", keys], check=True, capture_output=True)
    tokens = {"keys": [str(keys)], "issuer": ISSUER}
    admins = {"enabled": True, "allowedGroups": ["admins"]}
    uis = {name: admins | {"host": f"{name}.localhost"} for name in ("prometheus", "grafana")}
    made = rendered(
        {
            "uis": {"session": login, **uis},
            "config": {"identityTokens": tokens | {"listen": "0.0.0.0:9194"}},
        }
    )
    config = yaml.safe_load(one(made, "ConfigMap", "authz")["data"]["authz.yaml"])
    services = [each for each in yaml.safe_load_all(CLUSTER) if each["kind"] == "Service"]
    mine = [each for each in made if (each["kind"], each["metadata"]["name"]) == ("Service", "authz")]
    rules = [each for each in made if each["kind"] == "APIRule"]
    return Rendered(
        yaml.safe_dump_all([*services, *mine, *rules]),
        indent(yaml.safe_dump(config["authorizers"]), " " * 6),
        indent(yaml.safe_dump({"identityTokens": tokens}), " " * 4),
    )


class WithPrometheus(Laptop):
    """One of the workloads is no echo."""

    async def _serve_workloads(self, places: Places) -> None:
        await super()._serve_workloads({who: place for who, place in places.items() if who != PROMETHEUS})
        address = f"{LOOPBACK}:{self.ports.echo + places[PROMETHEUS]}"
        settings = self._directory / "prometheus.yaml"
        settings.write_text("{}")
        options = {
            "config.file": settings,
            "storage.tsdb.path": self._directory / "tsdb",
            "web.listen-address": address,
            "web.external-url": f"http://prometheus.localhost:{self.ports.gateway}/",
        }
        command = [str(programs.get("prometheus")), *(f"--{name}={value}" for name, value in options.items())]
        await (await self._running.run("prometheus", command)).ready(f"http://{address}/-/ready")
