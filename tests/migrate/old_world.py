"""Kyma's world of before, alive: gateway -> Oathkeeper -> workload, on a real API server and two real Envoys.

Three APIRules, two of them on one workload; opaque tokens of Hydra's, signed ones of an issuer's; a path that
the gateway sends straight to the workload; and callers in the cluster.
"""

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from authz import writing
from authz.controller import kubeconfig
from authz.controller.api import Api
from authz.istio import names
from authz.istio.cluster import Settings
from authz.local import certs, ports, site
from authz.local.dataplane import DataPlane
from authz.local.envoy import Address
from authz.local.idp.issuer import Issuer
from authz.local.ports import LOOPBACK, Ports
from authz.local.site import Site
from authz.migrate.stages import cluster, saved
from tests.kube.server import ApiServer, custom_resources
from tests.migrate import ory
from tests.migrate.ory import Hydra, Issuers, Oathkeeper, access_rule
from tests.servers import free_port

GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
OATHKEEPER = "cluster.local/ns/kyma-system/sa/ory-oathkeeper"
SETTINGS = Settings("authz", {"istio": "ingressgateway"}, GATEWAY)
PROXY, SHADOW = "ory-oathkeeper-proxy.kyma-system", "authz-shadow.authz-system"
NOTES, ORDERS = "notes.shop", "orders.shop"
BACKENDS = sorted([(PROXY, 4455), (SHADOW, 8080), (NOTES, 80), (ORDERS, 80)])
NAMESPACES = ("istio-system", "kyma-system", "authz-system", "shop")
PATIENCE_S = 60.0
MAESTER_S = 2.0
DRAIN_S = 5  # 45 in Istio

MESH = """
extensionProviders:
  - name: authz
    envoyExtAuthzGrpc: {service: authz.authz-system.svc.cluster.local, port: 9191, timeout: 5s}
"""


def made(api_version: str, kind: str, name: str, namespace: str, **parts: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def service(name: str, port: int) -> dict[str, Any]:
    short, namespace = name.split(".")
    spec = {"selector": {"app": short}, "ports": [{"name": "http", "port": port}]}
    return made("v1", "Service", short, namespace, spec=spec)


def running(name: str) -> dict[str, Any]:
    """That a pod of the Service is ready."""
    short, namespace = name.split(".")
    found = made("discovery.k8s.io/v1", "EndpointSlice", f"{short}-1", namespace, addressType="IPv4")
    found["metadata"]["labels"] = {"kubernetes.io/service-name": short}
    return found | {"endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": True}}]}


def handler(name: str, **config: Any) -> dict[str, Any]:
    return {"handler": name, "config": config} if config else {"handler": name}


def rule(path: str, methods: list[str], strategy: dict[str, Any]) -> dict[str, Any]:
    return {"path": path, "methods": methods, "accessStrategies": [strategy]}


def old_rules(issuer: Issuer) -> dict[str, dict[str, Any]]:
    """Of each APIRule v1beta1, its spec."""
    jwt = handler("jwt", jwks_urls=[issuer.url + ory.JWKS_PATH], trusted_issuers=[issuer.url])
    reading = handler("oauth2_introspection", required_scope=["notes:read"])
    writing = handler("oauth2_introspection", required_scope=["notes:write"])
    notes = [
        rule("/public", ["GET"], handler("allow")),
        rule("/notes", ["GET"], reading),
        rule("/notes", ["POST"], writing),
    ]
    return {
        "notes": _spec("notes", "notes", notes),
        "archive": _spec("archive", "notes", [rule("/.*", ["GET"], handler("noop"))]),
        "orders": _spec("orders", "orders", [rule("/orders(/.*)?", ["GET", "POST"], jwt)]),
    }


def _spec(host: str, service: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "host": f"{host}.example.com",
        "gateway": "istio-system/gateway",
        "service": {"name": service, "port": 80},
        "rules": rules,
    }


@dataclass(frozen=True)
class Ground(Site):
    """With an identity for Oathkeeper, whose sidecar is a tunnel here."""

    def issue(self) -> None:
        principals = {"gateway": GATEWAY, "sidecar": site.SIDECAR_PRINCIPAL, "oathkeeper": OATHKEEPER}
        certs.issue(self.certificates, {name: f"spiffe://{who}" for name, who in principals.items()})


class Tunnel:
    """Plain TCP in, the mesh's TLS out, as a sidecar of the caller's would send it."""

    def __init__(self, folder: Path, target: int) -> None:
        self.port = free_port()
        self._folder = folder
        self._target = target
        self._pumps: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._tls = ssl.create_default_context(cafile=self._folder / "ca.pem")
        self._tls.check_hostname = False  # names are SPIFFE's
        self._tls.load_cert_chain(self._folder / "oathkeeper.pem", self._folder / "oathkeeper.key")
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)

    async def stop(self) -> None:
        self._server.close()
        for pump in self._pumps:
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target, ssl=self._tls)
        for pair in ((reader, far_writer), (far_reader, writer)):
            pump = asyncio.create_task(_pump(*pair))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(1 << 16):
            writer.write(chunk)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


class OldWorld:
    """Everything that runs, and the folder that a person works in."""

    def __init__(self, folder: Path, server: ApiServer, hydra: Hydra, issuers: Issuers) -> None:
        self.folder = folder
        self.server = server
        self.hydra = hydra
        self.issuer = issuers.issuer("a")
        self.ports = Ports().moved(ports.free_offset())
        self.shadow, self.page = free_port(), free_port()
        self.heard: list[tuple[str, str]] = []
        self.tunnels = {
            backend: Tunnel(folder / "certs", self.ports.sidecar + place)
            for place, backend in enumerate(BACKENDS)
        }
        self.rules = old_rules(self.issuer)
        config = ory.kyma_config(issuers.jwks_url("a"), hydra)
        old = [
            made("gateway.kyma-project.io/v1beta1", "APIRule", name, "shop", spec=spec)
            for name, spec in self.rules.items()
        ]
        (folder / "old.yaml").write_text(writing.write(old))
        (folder / "oathkeeper.yaml").write_text(json.dumps(config))
        self.oathkeeper = Oathkeeper(folder / "oathkeeper", self._access_rules(), config)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.server.kubeconfig)}

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        self.install()
        self.server.install([custom_resources()[0]])
        proxy = int(self.oathkeeper.proxy.rpartition(":")[2])
        addresses = {
            ("authz.authz-system.svc.cluster.local", 9191): Address(LOOPBACK, self.ports.checks),
            (f"{PROXY}.svc.cluster.local", 4455): Address(LOOPBACK, proxy),
            (f"{SHADOW}.svc.cluster.local", 8080): Address(LOOPBACK, self.shadow),
        }
        ground = Ground(SETTINGS, self.ports, self.folder / "certs", addresses)
        access = kubeconfig.read(self.server.kubeconfig)
        async with AsyncExitStack() as stack:
            await asyncio.to_thread(self.oathkeeper.start)
            stack.push_async_callback(asyncio.to_thread, self.oathkeeper.stop)
            await stack.enter_async_context(DataPlane(access, ground, self._hear, DRAIN_S))
            for tunnel in self.tunnels.values():
                await tunnel.start()
                stack.push_async_callback(tunnel.stop)
            api = await stack.enter_async_context(cluster.entered(access))
            maester = asyncio.create_task(self._hand_on(api))
            stack.push_async_callback(asyncio.wait, [maester])
            stack.callback(maester.cancel)
            yield

    async def _hand_on(self, api: Api) -> None:
        """Rules to Oathkeeper, as its maester does, in its own time."""
        known = self._access_rules()
        last = known
        while True:
            rules = (await api.list(saved.RULES, {}))["items"]
            there = {one["spec"]["match"]["url"] for one in rules}
            now = [one for one in known if one["match"]["url"] in there]
            if now != last:
                self.oathkeeper.take(now)
                last = now
            await asyncio.sleep(MAESTER_S)

    def _hear(self, part: str, line: str) -> None:
        if part == "mesh" or "critical" in line:
            self.heard.append((part, line))
        if '"status":5' in line or "rror" in line:
            with (self.folder / "envoys.log").open("a") as log:
                log.write(f"{time.monotonic():.1f} {part} {line}\n")

    @property
    def answered(self) -> int:
        """How many requests the gateway has done with."""
        url = f"http://{LOOPBACK}:{self.ports.gateway_admin}/stats"
        asked = {"filter": r"^http\.gateway\.downstream_rq_completed$"}
        shown = httpx.get(url, params=asked, trust_env=False, timeout=PATIENCE_S).text
        return int(shown.rpartition(" ")[2])

    def inside(self, backend: str) -> str:
        """Where a caller in the cluster finds a Service."""
        return f"http://{LOOPBACK}:{self.tunnels[backend, 80].port}"

    async def authz(self, *arguments: object, fails: bool = False) -> str:
        """What the command says. It is what a person would type."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "authz", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        with (self.folder / "said.log").open("a") as log:
            log.write(f"{time.monotonic():.1f} {arguments}\n{said}\n")
        assert (process.returncode != 0) is fails, f"authz {arguments}:\n{said}"
        return said

    @asynccontextmanager
    async def program(self, *arguments: object, ready: int) -> AsyncIterator[None]:
        """One of ours, until it is not needed any more; `ready` is a port that it opens."""
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            command = [sys.executable, "-m", "authz", *map(str, arguments)]
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        try:
            await eventually(lambda: _is_open(ready))
            yield
        finally:
            process.terminate()
            await process.wait()

    def configure(self) -> Path:
        """What `convert` wrote, and where things are here: what a person edits before the installation."""
        written = yaml.safe_load((self.folder / "new" / "authz.yaml").read_text())
        secret = self.folder / "secret"
        secret.write_text("unused")
        for authorizer in written.get("authorizers", ()):
            for accept in authorizer["accept"]:
                accept["introspection"]["clientSecretFile"] = str(secret)
        here = {
            "listen": {
                "grpc": f"{LOOPBACK}:{self.ports.checks}",
                "admin": f"{LOOPBACK}:{self.ports.authorizer}",
            },
            "controller": {"admin": f"{LOOPBACK}:{self.ports.controller}"},
            "kubernetes": {"kubeconfig": str(self.server.kubeconfig)},
            "istio": {"provider": SETTINGS.provider},
        }
        file = self.folder / "authz.yaml"
        file.write_text(yaml.safe_dump(written | here))
        return file

    def _access_rules(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for name, spec in self.rules.items():
            for one in spec["rules"]:
                (strategy,) = one["accessStrategies"]
                if strategy["handler"] == "allow":
                    continue
                url = f"<http|https>://{name}.example.com<{one['path']}>"
                target = self.tunnels[f"{spec['service']['name']}.shop", 80].port
                made = access_rule(url, strategy, methods=one["methods"])
                found.append(
                    made
                    | {
                        "id": f"{name}-{len(found)}",
                        "upstream": {"url": f"http://{LOOPBACK}:{target}"},
                    }
                )
        return found

    def install(self) -> None:
        """As Kyma left it: its CRD, APIRules without rules as v2, their VirtualServices and Rules."""
        for name in NAMESPACES:
            self.server.namespace(name)
        ours, *_ = custom_resources()
        self.server.install([_lax(ours), _rules_crd()])
        http = {"number": 8080, "name": "http", "protocol": "HTTP"}
        servers = [{"port": http, "hosts": ["*.example.com"]}]
        gateway = {"selector": {"istio": "ingressgateway"}, "servers": servers}
        self.server.apply(made("networking.istio.io/v1", "Gateway", "gateway", "istio-system", spec=gateway))
        self.server.apply(made("v1", "ConfigMap", "istio", "istio-system", data={"mesh": MESH}))
        for name, port in BACKENDS:
            self.server.apply(service(name, port))
            self.server.apply(running(name))
        for name, spec in self.rules.items():
            self._install_rule(name, spec)

    def _install_rule(self, name: str, spec: dict[str, Any]) -> None:
        old = made("gateway.kyma-project.io/v2", "APIRule", name, "shop", spec={"hosts": [spec["host"]]})
        kept = {"gateway.kyma-project.io/v1beta1-spec": json.dumps(spec)}
        old["metadata"]["annotations"] = kept | {"gateway.kyma-project.io/original-version": "v1beta1"}
        self.server.apply(old)
        http = [_http(one, spec["service"]["name"]) for one in spec["rules"]]
        route = {"hosts": [spec["host"]], "gateways": ["istio-system/gateway"], "http": http}
        self._apply_labelled(
            name, made("networking.istio.io/v1", "VirtualService", f"{name}-x7k2p", "shop", spec=route)
        )
        for index, one in enumerate(spec["rules"]):
            if one["accessStrategies"][0]["handler"] == "allow":
                continue
            upstream = {"url": f"http://{spec['service']['name']}.shop.svc.cluster.local:80"}
            match = {"url": f"<http|https>://{spec['host']}<{one['path']}>", "methods": one["methods"]}
            said = {"match": match, "authenticators": one["accessStrategies"], "upstream": upstream}
            document = made("oathkeeper.ory.sh/v1alpha1", "Rule", f"{name}-{index}", "shop", spec=said)
            self._apply_labelled(name, document)

    def _apply_labelled(self, owner: str, document: dict[str, Any]) -> None:
        document["metadata"]["labels"] = {names.OWNER_NAME: owner, names.OWNER_NAMESPACE: "shop"}
        self.server.apply(document, manager="manager")


def _http(one: dict[str, Any], service: str) -> dict[str, Any]:
    straight = one["accessStrategies"][0]["handler"] == "allow"
    host, port = (f"{service}.shop", 80) if straight else (PROXY, 4455)
    destination = {"host": f"{host}.svc.cluster.local", "port": {"number": port}}
    return {"match": [{"uri": {"regex": one["path"]}}], "route": [{"destination": destination}]}


def _lax(ours: Any) -> dict[str, Any]:
    """Kyma's CRD keeps whatever its conversion left."""
    lax: dict[str, Any] = deepcopy(dict(ours))
    old = {"name": "v1beta1", "served": True, "storage": False}
    lax["spec"]["versions"].append(old)
    for version in lax["spec"]["versions"]:
        version["schema"] = {"openAPIV3Schema": _OPEN}
    return lax


_OPEN = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def _rules_crd() -> dict[str, Any]:
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _OPEN}}
    spec = {
        "group": "oathkeeper.ory.sh",
        "scope": "Namespaced",
        "names": {"plural": "rules", "singular": "rule", "kind": "Rule", "listKind": "RuleList"},
        "versions": [version],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rules.oathkeeper.ory.sh"},
        "spec": spec,
    }


async def eventually(happens: Any, patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not await happens():
        assert time.monotonic() < deadline, "waited too long"
        await asyncio.sleep(0.1)


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True
