"""A small mesh for the tests of the Envoy compiler: one gateway, one workload, one authorizer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from authz.local.envoy import Address, Gateway, Identity, Mesh, Provider, Workload

LOOPBACK = "127.0.0.1"
GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
SIDECAR = "cluster.local/ns/apps/sa/shop"
SHOP = "shop.apps.svc.cluster.local"
AUTHZ = Provider("authz.authz-system.svc.cluster.local", 9191, Address(LOOPBACK, 9191))


def mesh(certificates: Path = Path("certs"), **changes: Any) -> Mesh:
    small = Mesh(
        gateway=Gateway("istio-system", {"istio": "ingressgateway"}, Address(LOOPBACK, 80)),
        gateway_identity=_identity(certificates, "gateway", GATEWAY),
        sidecar_identity=_identity(certificates, "sidecar", SIDECAR),
        ca=certificates / "ca.pem",
        workloads=(workload(SHOP, 8000),),
        providers={"authz": AUTHZ},
    )
    return replace(small, **changes)


def workload(host: str, port: int, listen: int = 15100, application: int = 8000) -> Workload:
    labels, sidecar, behind = {"app": "shop"}, Address(LOOPBACK, listen), Address(LOOPBACK, application)
    return Workload(host, port, "apps", labels, sidecar, behind)


def _identity(certificates: Path, name: str, principal: str) -> Identity:
    return Identity(principal, certificates / f"{name}.pem", certificates / f"{name}.key")


def resource(kind: str, name: str, spec: dict[str, Any], namespace: str = "apps") -> dict[str, Any]:
    group = "networking" if kind == "VirtualService" else "security"
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": f"{group}.istio.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def virtual_service(*http: dict[str, Any], hosts: tuple[str, ...] = ("shop.example.com",)) -> dict[str, Any]:
    spec = {"hosts": list(hosts), "gateways": ["istio-system/gateway"], "http": list(http)}
    return resource("VirtualService", "shop", spec)


def to_shop(**fields: Any) -> dict[str, Any]:
    return {"route": [{"destination": {"host": SHOP, "port": {"number": 8000}}}], **fields}


def policy(*rules: dict[str, Any], **fields: Any) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "shop"}}, "rules": list(rules), **fields}
    return resource("AuthorizationPolicy", "shop", spec)


def operation(**fields: Any) -> dict[str, Any]:
    return {"to": [{"operation": fields}]}


def source(**fields: Any) -> dict[str, Any]:
    return {"from": [{"source": fields}]}


def when(key: str, **fields: Any) -> dict[str, Any]:
    return {"when": [{"key": key, **fields}]}


def around(resources: list[dict[str, Any]], certificates: Path = Path("certs")) -> Mesh:
    """A mesh with whatever the resources ask for."""
    specs = [each["spec"] for each in resources]
    routes = [route for spec in specs for http in spec.get("http", ()) for route in http.get("route", ())]
    targets = {(route["destination"]["host"], route["destination"]["port"]["number"]) for route in routes}
    ports = enumerate(sorted(targets), start=15100)
    workloads = tuple(workload(host, port, listen) for listen, (host, port) in ports)
    providers = {spec["provider"]["name"]: AUTHZ for spec in specs if "provider" in spec}
    return mesh(certificates, workloads=workloads, providers=providers)
