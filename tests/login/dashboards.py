"""The chart's dashboards on the laptop: what Helm renders, beside the samples. `boards` are themselves."""

import configparser
import subprocess
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

import yaml

from authz.local import atomic
from authz.local.laptop import Laptop
from authz.local.ports import LOOPBACK
from authz.local.site import Places
from authz.server import ruleset
from tests.charts.helm import grafana_ini, one, rendered
from tests.servers import free_port

ISSUER = "https://authz.example.com"
_SERVICES = {"kiali": 20001, "grafana": 3000, "tracing": 80, "prometheus": 9090}
BOARDS = {
    name.replace("tracing", "jaeger"): (f"{name}.istio-system.svc.cluster.local", port)
    for name, port in _SERVICES.items()
}
KEYS = ("authz.authz-system.svc.cluster.local", 9194)

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
    for name, port in _SERVICES.items()
)
ADMINS = {"enabled": True, "allowedGroups": ["admins"]}
EVERYBODY = {"enabled": True, "allowedGroups": ["admins", "customers"], "adminGroups": ["admins"]}


@dataclass(frozen=True, slots=True)
class Rendered:
    """Documents, and authorizers and more as the configuration has them.

    `spans_port` is where the authorizer sends its spans, `grafana` what the notes have Grafana told.
    """

    documents: str
    authorizers: str
    settings: str
    spans_port: int
    grafana: configparser.ConfigParser


def behind(login: dict[str, Any], keys: Path) -> Rendered:
    """All of them, Grafana for everybody, and the key that tells Grafana who they are."""
    key = ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*key, "-out", keys], check=True, capture_output=True)
    spans_port = free_port()
    config = {
        "identityTokens": {"keys": [str(keys)], "issuer": ISSUER, "listen": f"0.0.0.0:{KEYS[1]}"},
        "tracing": {"endpoint": f"http://{LOOPBACK}:{spans_port}/v1/traces"},
    }
    uis = {name: ADMINS | {"host": f"{name}.localhost"} for name in BOARDS}
    values = {"uis": {"session": login, **uis, "grafana": uis["grafana"] | EVERYBODY}, "config": config}
    made = rendered(values)
    told = yaml.safe_load(one(made, "ConfigMap", "authz")["data"]["authz.yaml"])
    services = [each for each in yaml.safe_load_all(CLUSTER) if each["kind"] == "Service"]
    mine = [each for each in made if (each["kind"], each["metadata"]["name"]) == ("Service", "authz")]
    rules = [each for each in made if each["kind"] == "APIRule"]
    return Rendered(
        yaml.safe_dump_all([*services, *mine, *rules]),
        indent(yaml.safe_dump(told["authorizers"]), " " * 6),
        indent(yaml.safe_dump(config), " " * 4),
        spans_port,
        grafana_ini(values),
    )


class WithBoards(Laptop):
    """At the `boards`' ports nobody listens until a test starts whom it looks at.

    The public keys are the authorizer's own.
    """

    boards: dict[str, int]
    shown: Rendered

    async def _serve_workloads(self, places: Places) -> None:
        own = {KEYS, *BOARDS.values()}
        await super()._serve_workloads({who: place for who, place in places.items() if who not in own})
        self.boards = {name: self.ports.echo + places[who] for name, who in BOARDS.items()}
        self._keys_port = self.ports.echo + places[KEYS]

    def _tell_authorizer(self) -> None:
        super()._tell_authorizer()
        file = self._directory / ruleset.CONFIG_KEY
        said = yaml.safe_load(file.read_text())
        said["identityTokens"]["listen"] = f"{LOOPBACK}:{self._keys_port}"
        atomic.write(file, yaml.safe_dump(said))
