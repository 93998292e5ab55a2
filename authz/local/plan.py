"""What the laptop is to run, worked out from the files: resources, mesh, settings, commands to try.

`laptop` does what is planned here; nothing is started or written, and only `read` looks at a file.
"""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from authz.core.path import Kind
from authz.core.path import Path as Pattern
from authz.istio import hosts
from authz.istio.cluster import Cluster
from authz.istio.schema import Rule
from authz.local.envoy import Address, Gateway, Identity, Mesh, Provider, Workload
from authz.local.ports import LOOPBACK, Ports
from authz.local.problems import Problems
from authz.server import files
from authz.server.files import CONFIG_KEY, Document, Loaded, Read

SIDECAR_PRINCIPAL = "cluster.local/ns/default/sa/workload"
AUTHORIZER = "authz.authz-system.svc.cluster.local"
RULES_FILE = "rules.yaml"

Resource = Mapping[str, Any]
Backend = tuple[str, int]  # a Service's full name, and its port
Places = Mapping[Backend, int]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that follows from the files."""

    documents: tuple[Resource, ...]
    loaded: Loaded
    resources: tuple[Resource, ...]

    @property
    def backends(self) -> list[Backend]:
        """Each that some route leads to."""
        return sorted(set(_destinations(self.resources)))

    @property
    def jwks_uris(self) -> list[str]:
        """Where the mesh has its keys from."""
        rules = (
            rule
            for resource in self.resources
            if resource["kind"] == "RequestAuthentication"
            for rule in resource["spec"]["jwtRules"]
        )
        return sorted({rule["jwksUri"] for rule in rules})


def read(sources: Iterable[Path], offset: int = 0) -> Plan:
    """Raises Problems with every mistake in the files."""
    return make(files.read(sources), offset)


def make(found: Read, offset: int = 0) -> Plan:
    """With an offset, the identity provider's address in the documents is moved as its port is.

    Raises Problems: a laptop runs what the files say, or it does not run.
    """
    moved = replace(found, documents=tuple(_moved(found.documents, offset)))
    loaded = files.load(moved)
    resources, unmet = files.translate(loaded)
    if messages := (*loaded.problems, *unmet):
        raise Problems(messages)
    return Plan(tuple(document.body for document in moved.documents), loaded, tuple(resources))


def identities(plan: Plan) -> dict[str, str]:
    """The SPIFFE IDs to certify, by the name of the proxy."""
    gateway = plan.loaded.config.istio.gateway_principal
    return {"gateway": f"spiffe://{gateway}", "sidecar": f"spiffe://{SIDECAR_PRINCIPAL}"}


def numbered(backends: Iterable[Backend], last: Places) -> Places:
    """A place for each backend: those that had one keep it, so that no listener has to move."""
    places = dict(last)
    for backend in backends:
        places.setdefault(backend, len(places))
    return places


def mesh(
    plan: Plan,
    ports: Ports,
    certificates: Path,
    places: Places,
    jwks: Mapping[str, str],
) -> Mesh:
    """The world that the resources are compiled for: one gateway, one sidecar for all workloads."""
    settings = plan.loaded.config.istio
    namespace = settings.gateway_principal.split("/")[2]
    return Mesh(
        gateway=Gateway(namespace, settings.gateway_selector, Address(LOOPBACK, ports.gateway)),
        gateway_identity=_identity(settings.gateway_principal, "gateway", certificates),
        sidecar_identity=_identity(SIDECAR_PRINCIPAL, "sidecar", certificates),
        ca=certificates / "ca.pem",
        workloads=tuple(
            _workload(backend, plan.loaded.cluster, ports, places[backend]) for backend in plan.backends
        ),
        providers={settings.provider: Provider(AUTHORIZER, 9191, Address(LOOPBACK, ports.checks))},
        jwks=jwks,
    )


def authorizer_files(plan: Plan, ports: Ports) -> dict[str, str]:
    """Name and text of what the authorizer reads: its settings with our addresses, and every document."""
    settings = yaml.safe_load(_embedded(plan.documents)) or {}
    settings |= {
        "listen": {"grpc": f"{LOOPBACK}:{ports.checks}", "admin": f"{LOOPBACK}:{ports.authorizer}"},
        "policy": {"files": [RULES_FILE]},
        "log": {"decisions": "all"},
    }
    return {CONFIG_KEY: yaml.safe_dump(settings), RULES_FILE: yaml.safe_dump_all(plan.documents)}


def suggestions(plan: Plan, ports: Ports, offset: int = 0) -> Iterator[str]:
    """A command to try for each rule."""
    for _, owner in plan.loaded.rules:
        host = hosts.full(owner, plan.loaded.cluster.gateways)[0].replace("*", "any")
        for rule in owner.spec.rules:
            method = [] if rule.methods[0] == "GET" else ["-X", rule.methods[0]]
            url = f"http://{host}:{ports.gateway}{_example(rule.path)}"
            bearer = f' -H "Authorization: Bearer $({_token(rule, offset)})"' if rule.access else ""
            yield shlex.join(["curl", "-i", *method, url]) + bearer


def _token(rule: Rule, offset: int) -> str:
    words = ["authz", "token"]
    if rule.tokens and rule.tokens.authorizations:
        asked = rule.tokens.authorizations[0]
        words += ["--scope", " ".join(asked.required_scopes)] if asked.required_scopes else []
        words += ["--audience", asked.audiences[0]] if asked.audiences else []
    words += ["--port-offset", str(offset)] if offset else []
    return shlex.join(words)


def _example(path: Pattern) -> str:
    if path.kind is Kind.PREFIX:
        return path.text
    return path.text.replace("{*}", "1").replace("{**}", "1")


def _embedded(documents: Iterable[Resource]) -> str:
    for document in documents:
        if document.get("kind") == "ConfigMap" and CONFIG_KEY in (document.get("data") or {}):
            return str(document["data"][CONFIG_KEY])
    return ""


def _identity(principal: str, name: str, certificates: Path) -> Identity:
    return Identity(principal, certificates / f"{name}.pem", certificates / f"{name}.key")


def _workload(backend: Backend, cluster: Cluster, ports: Ports, place: int) -> Workload:
    host, port = backend
    name, namespace = host.split(".")[:2]
    return Workload(
        host=host,
        port=port,
        namespace=namespace,
        labels=cluster.services[f"{namespace}/{name}"],
        listen=Address(LOOPBACK, ports.sidecar + place),
        application=Address(LOOPBACK, ports.echo + place),
    )


def _destinations(resources: Sequence[Resource]) -> Iterator[Backend]:
    for resource in resources:
        if resource["kind"] == "VirtualService":
            for http in resource["spec"]["http"]:
                for route in http.get("route", ()):
                    yield route["destination"]["host"], route["destination"]["port"]["number"]


def _moved(documents: Iterable[Document], offset: int) -> Iterator[Document]:
    here, there = f"{LOOPBACK}:{Ports().idp}", f"{LOOPBACK}:{Ports().idp + offset}"
    for document in documents:
        yield replace(document, body=_replaced(document.body, here, there))


def _replaced(value: Any, here: str, there: str) -> Any:
    match value:
        case str():
            return value.replace(here, there)
        case list():
            return [_replaced(each, here, there) for each in value]
        case dict():
            return {key: _replaced(each, here, there) for key, each in value.items()}
        case _:
            return value
