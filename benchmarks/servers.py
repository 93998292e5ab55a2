"""The servers under test, all running side by side; whoever is not asked sleeps.

Envoy has a core of its own; the others share one, and only one of them works at a time.
"""

import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from authz.server import ext_authz_pb2 as pb
from authz.server import service
from benchmarks import envoy, oauth2_proxy, workload
from benchmarks.process import LOAD_CORE, LOOPBACK, READY_S, SERVER_CORE, Process, free_port

ENVOY, OAUTH2_PROXY = "Envoy", "oauth2-proxy"
H2, GRPCIO, NULL_H2, NULL_GRPCIO = "h2", "grpcio", "null on h2", "null on grpcio"
H2_1_000, H2_10_000, H2_NEW = "h2, 1,000 hosts", "h2, 10,000 hosts", "h2, new"
GRPCIO_NEW = "grpcio, new"

NONE, JWT, JWT_CACHED = envoy.NONE, envoy.JWT, envoy.JWT_CACHED

_AUTHORIZERS = {
    H2: ("h2", 1),
    GRPCIO: ("grpcio", 1),
    H2_1_000: ("h2", 1_000),
    H2_10_000: ("h2", 10_000),
    H2_NEW: ("h2", 1),
    GRPCIO_NEW: ("grpcio", 1),
}
HOSTS_OF = {name: count for name, (_, count) in _AUTHORIZERS.items() if count > 1}
_NULLS = {NULL_H2: "h2", NULL_GRPCIO: "grpcio"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where servers find what they need. `known` is a good request in gRPC's frame."""

    folder: Path
    keys: str
    oauth2_proxy: Path
    known: Path


class Servers:
    """By name. `ports` also has those of Envoy's listeners."""

    def __init__(self, place: Place, names: Collection[str], behind: Collection[str]) -> None:
        self._place = place
        self.ports = {name: free_port() for name in names}
        self.behind = {name: free_port() for name in behind}
        self._commands = {name: self._command(name) for name in names}
        self.processes: dict[str, Process] = {}

    def start(self, name: str) -> None:
        """Raises OSError if it does not come to answer well."""
        core = LOAD_CORE if name == ENVOY else SERVER_CORE
        log = self._place.folder / f"{name}.log"
        process = self.processes[name] = Process(self._commands[name], core, log)
        process.listening(next(iter(self.behind.values())) if name == ENVOY else self.ports[name])
        if name in _AUTHORIZERS or name in _NULLS:
            allows(self.ports[name], self._place.known.read_bytes()[5:])

    def restart(self, name: str) -> None:
        """As if it had never been asked anything."""
        self.processes.pop(name).stop()
        self.start(name)

    def stop(self) -> None:
        """All of them."""
        for process in self.processes.values():
            process.stop()

    def _command(self, name: str) -> list[str]:
        port, folder = self.ports[name], self._place.folder
        if name in _AUTHORIZERS:
            transport, hosts = _AUTHORIZERS[name]
            file = workload.configuration(folder / name, transport, port, self._place.keys, hosts)
            return [sys.executable, "-m", "authz", "serve", "--config", str(file)]
        if name in _NULLS:
            return [sys.executable, "-m", "benchmarks.null", _NULLS[name], f"{LOOPBACK}:{port}"]
        if name == OAUTH2_PROXY:
            return oauth2_proxy.command(self._place.oauth2_proxy, port, self._place.keys)
        asked = {each: self.ports[each] for each in self.behind if each in self.ports}
        return envoy.command(folder / "envoy.json", self.behind, asked)


@contextmanager
def running(place: Place, names: Collection[str], behind: Collection[str]) -> Iterator[Servers]:
    """All started, and none left when the context is."""
    servers = Servers(place, names, behind)
    try:
        for name in names:
            servers.start(name)
        yield servers
    finally:
        servers.stop()


def allows(port: int, request: bytes) -> None:
    """Wait until it says yes: it has read its policy and knows the keys."""
    deadline = time.monotonic() + READY_S
    with grpc.insecure_channel(f"{LOOPBACK}:{port}") as channel:
        call = channel.unary_unary(service.METHOD, response_deserializer=pb.CheckResponse.FromString)
        while not (answer := call(request, timeout=READY_S)).HasField("ok"):
            if time.monotonic() > deadline:
                raise OSError(f"a good token is refused: {answer}")
            time.sleep(0.1)
