"""What the laptop is to run, worked out from the files: resources, Envoys, the authorizer's settings.

`laptop` does what is planned here; nothing is started or written, and only `read` looks at a file.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from authz.istio import hosts, placement
from authz.istio.login import Login
from authz.istio.services import Service
from authz.istio.translate import Resource
from authz.local import envoy
from authz.local.envoy import Address, Compiled, Mesh, Provider
from authz.local.failure import CannotRun
from authz.local.ports import LOOPBACK, Ports
from authz.local.site import Backend, Places, Site
from authz.server import files, ruleset
from authz.server.files import Document, Read
from authz.server.ruleset import CONFIG_KEY, Loaded

AUTHORIZER = ("authz.authz-system.svc.cluster.local", 9191)
RULES_FILE = "rules.yaml"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that follows from the files."""

    documents: tuple[Document, ...]
    loaded: Loaded
    resources: tuple[Resource, ...]

    @property
    def backends(self) -> list[Backend]:
        """Each that some route leads to."""
        return sorted(set(_destinations(self.resources)))

    @property
    def login(self) -> Login | None:
        """Where people sign in: one oauth2-proxy runs here, if any. Raises CannotRun for two."""
        cluster = self.loaded.cluster
        found = {each for _, rule in self.loaded.rules for _, each in placement.logins(rule, cluster)}
        if len(found) > 1:
            raise CannotRun(
                [f"one oauth2-proxy runs here, not {' and '.join(sorted(each.address for each in found))}"]
            )
        return next(iter(found), None)

    def signs_in(self, backend: Backend) -> bool:
        """True if it is oauth2-proxy, and not somebody's workload."""
        return self.login is not None and backend == (self.login.host, self.login.port)

    def labels(self, backend: Backend) -> Mapping[str, str]:
        """Of its pods."""
        name, namespace = backend[0].split(".")[:2]
        return self.loaded.cluster.services.get(f"{namespace}/{name}", Service()).selector

    @property
    def login_hosts(self) -> list[str]:
        """Where they begin."""
        cluster = self.loaded.cluster
        asking = (rule for _, rule in self.loaded.rules if [*placement.logins(rule, cluster)])
        return sorted({host for rule in asking for host in hosts.full(rule, cluster.gateways)})

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
    """Raises CannotRun with every mistake in the files."""
    return make(files.read(sources), offset)


def make(found: Read, offset: int = 0) -> Plan:
    """With an offset, the identity provider's address in the documents is moved as its port is.

    Raises CannotRun: a laptop runs what the files say, or it does not run.
    """
    moved = replace(found, documents=tuple(_moved(found.documents, offset)))
    loaded = ruleset.load(moved)
    resources, unmet = ruleset.translate(loaded)
    if messages := (*loaded.problems, *unmet):
        raise CannotRun(messages)
    return Plan(moved.documents, loaded, tuple(resources))


def compiled(
    plan: Plan,
    ports: Ports,
    certificates: Path,
    places: Places,
    jwks: Mapping[str, str],
) -> Compiled:
    """What the two Envoys are told. Raises CannotRun for what they would not do as Istio does."""
    try:
        return envoy.compile(plan.resources, mesh(plan, ports, certificates, places, jwks))
    except envoy.Unsupported as error:
        raise CannotRun([str(error)]) from error


def mesh(
    plan: Plan,
    ports: Ports,
    certificates: Path,
    places: Places,
    jwks: Mapping[str, str],
) -> Mesh:
    """The world that the resources are compiled for: one gateway, one sidecar for all workloads."""
    around = site(plan, ports, certificates)
    workloads = (around.workload(backend, plan.labels(backend), places[backend]) for backend in plan.backends)
    provider = Provider(*AUTHORIZER, around.addresses[AUTHORIZER])
    return around.mesh(workloads, {around.settings.provider: provider}, jwks)


def site(plan: Plan, ports: Ports, certificates: Path) -> Site:
    """Where the two Envoys stand, with what is no echo: the authorizer and oauth2-proxy."""
    addresses = {AUTHORIZER: Address(LOOPBACK, ports.checks)}
    if plan.login:
        addresses[plan.login.host, plan.login.port] = Address(LOOPBACK, ports.oauth2_proxy)
    return Site(plan.loaded.cluster.settings, ports, certificates, addresses)


def authorizer_files(plan: Plan, ports: Ports) -> dict[str, str]:
    """Name and text of what the authorizer reads: its settings with our addresses, and every document."""
    return {
        CONFIG_KEY: authorizer_settings(plan, ports, {"files": [RULES_FILE]}),
        RULES_FILE: yaml.safe_dump_all(document.body for document in plan.documents),
    }


def authorizer_settings(plan: Plan, ports: Ports, policy: Mapping[str, Any]) -> str:
    """Its configuration, with the address at which oauth2-proxy really listens."""
    said = _said(plan, ports, policy)
    if plan.login:
        said = _replaced(said, plan.login.address, f"http://{LOOPBACK}:{ports.oauth2_proxy}")
    return yaml.dump(said, Dumper=_Settings)


def controller_settings(plan: Plan, ports: Ports) -> str:
    """Its configuration: it leads people to sign in to a Service, whatever listens there."""
    return yaml.dump(_said(plan, ports, {"kubernetes": {}}), Dumper=_Settings)


def _said(plan: Plan, ports: Ports, policy: Mapping[str, Any]) -> dict[str, Any]:
    return plan.loaded.config.model_dump(mode="json", by_alias=True, exclude_defaults=True) | {
        "listen": {"grpc": f"{LOOPBACK}:{ports.checks}", "admin": f"{LOOPBACK}:{ports.authorizer}"},
        "controller": {"admin": f"{LOOPBACK}:{ports.controller}"},
        "policy": policy,
        "log": {"decisions": "all"},
    }


class _Settings(yaml.SafeDumper):
    """A configuration's only floats are durations."""


_Settings.add_representer(float, lambda dumper, seconds: dumper.represent_str(f"{seconds}s"))


def _destinations(resources: Sequence[Resource]) -> Iterator[Backend]:
    for resource in resources:
        if resource["kind"] == "VirtualService":
            for http in resource["spec"]["http"]:
                for route in http.get("route", ()):
                    yield route["destination"]["host"], route["destination"]["port"]["number"]


def _moved(documents: Iterable[Document], offset: int) -> Iterator[Document]:
    for document in documents:
        body = document.body
        for port in sorted((Ports().idp, Ports().keycloak), reverse=True):  # none is moved twice
            body = _replaced(body, f"{LOOPBACK}:{port}", f"{LOOPBACK}:{port + offset}")
        yield replace(document, body=body)


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
