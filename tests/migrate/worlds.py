"""What stands around converted rules in a cluster: the Services and Gateways that they name, and no more."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from authz.migrate.old import files, reading
from authz.migrate.old.rule import World

CORPUS = Path(__file__).parent / "corpus"
REALISTIC, SHAPES, GLOB = CORPUS / "realistic", CORPUS / "shapes", CORPUS / "glob"


def read(*paths: Path) -> World:
    """The corpus in these folders."""
    found, problems = files.read(map(str, paths))
    assert not problems
    return reading.read(found)


def around(apirules: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """A Service with pods for each that is named, and a Gateway with a domain for each gateway."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for apirule in apirules:
        namespace, spec = apirule["metadata"]["namespace"], apirule["spec"]
        where, name = spec["gateway"].split("/")
        found["Gateway", where, name] = _gateway(where, name)
        for service in [spec.get("service"), *(rule.get("service") for rule in spec["rules"])]:
            if service:
                inside = service.get("namespace", namespace)
                found["Service", inside, service["name"]] = _service(inside, service)
    return list(found.values())


def _gateway(namespace: str, name: str) -> dict[str, Any]:
    server = {"port": {"number": 443, "name": "https", "protocol": "HTTPS"}, "hosts": ["*.example.com"]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }


def _service(namespace: str, service: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": service["name"], "namespace": namespace},
        "spec": {"selector": {"app": service["name"]}, "ports": [{"name": "http", "port": service["port"]}]},
    }
