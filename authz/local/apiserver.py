"""A real Kubernetes API server with its etcd, on loopback, with Istio's CRDs and ours.

Both keep their data in a folder: stopped and started again, they are the same cluster. There is no
controller manager: nobody collects garbage, and namespaces are only what is written here.
"""

import csv
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import yaml

from authz.local import atomic, certs, flags, process, programs
from authz.local.definitions import Document, custom_resources, path
from authz.local.failure import CannotRun

LINES_SHOWN = 20  # of its log, when it does not come up
PATIENCE_S = 60.0  # it takes 2 to 5; more where others keep the machine busy


class Refused(Exception):
    """The API server's answer to what it does not take: the text that kubectl shows."""


class ApiServer:
    """Running between `start` and `stop`, or as a context manager.

    `users` are tokens and who bears them: a name, and groups. RBAC says what they may do. `token` is the
    administrator's. Without a `port` it takes a free one, as etcd does.
    """

    def __init__(
        self,
        folder: Path,
        users: Mapping[str, Sequence[str]] | None = None,
        port: int = 0,
        token: str = "admin-token",  # noqa: S107 - of tests; who stays longer has a secret one
    ) -> None:
        self.folder = folder
        self.token = token
        self._users = {token: ("admin", "system:masters")} | dict(users or {})
        free, *self._etcd_ports = _free_ports(3)
        self._port = port or free
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "sa.key").exists():
            certs.key_pair(folder / "sa.key", folder / "sa.pub")
        self._write_users()

    @property
    def url(self) -> str:
        """Of the API."""
        return f"https://127.0.0.1:{self._port}"

    @property
    def ca(self) -> Path:
        """The certificate that the server shows, and its authority's."""
        return self.folder / "certs" / "apiserver.crt"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.folder / "kubeconfig"

    @property
    def etcd_url(self) -> str:
        """For those who compact it."""
        return f"http://127.0.0.1:{self._etcd_ports[0]}"

    @property
    def cpu_s(self) -> float:
        """What both have used up to now; clock_getcpuclockid(3)."""
        return sum(time.clock_gettime(~each.pid << 3 | 2) for each in self._running.values())

    def __enter__(self) -> Self:
        """Started, and with the CRDs. Raises CannotRun."""
        with ExitStack() as failing:
            failing.callback(self.stop, signal.SIGKILL)
            self.start()
            self.install(custom_resources())
            failing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """What is not running yet; returns when it is ready."""
        if "etcd" not in self._running:
            self._run("etcd", flags.etcd(self.folder, self._etcd_ports))
        self._run("kube-apiserver", flags.kube_apiserver(self.folder, self._port, self.etcd_url))
        self._await(self._is_ready, "ready")
        self.write_kubeconfig(self.kubeconfig, self.token)

    def stop(self, sent: int = signal.SIGTERM) -> None:
        """Both; SIGKILL for an accident."""
        self.stop_api(sent)
        self._end("etcd", signal.SIGKILL)  # it writes ahead, and waits for its clients otherwise

    def stop_api(self, sent: int = signal.SIGKILL) -> None:
        """The API server alone: `start` brings it back."""
        self._end("kube-apiserver", sent)

    @property
    def ended(self) -> str:
        """The name of a part that has ended by itself, or ""."""
        return next((name for name, each in self._running.items() if each.poll() is not None), "")

    def write_kubeconfig(self, file: Path, token: str) -> None:
        """For who bears the token; nobody else may read it."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "authz", "cluster": {"server": self.url, "certificate-authority": str(self.ca)}}
            ],
            "users": [{"name": "authz", "user": {"token": token}}],
            "contexts": [{"name": "authz", "context": {"cluster": "authz", "user": "authz"}}],
            "current-context": "authz",
        }
        atomic.write(file, yaml.safe_dump(config), private=True)

    def kubectl(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """As the administrator."""
        command: list[str | Path] = [programs.get("kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        environment = os.environ | {"HOME": str(self.folder)}  # it caches there
        return subprocess.run(
            command, input=given, capture_output=True, text=True, check=False, env=environment
        )

    def client(self, token: str = "") -> httpx.Client:
        """With a user's rights, or the administrator's."""
        trusted = ssl.create_default_context(cafile=self.ca)
        bearer = {"authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=bearer, verify=trusted, timeout=30, trust_env=False)

    def apply(self, document: Document, *, dry_run: bool = False, manager: str = "tests") -> Any:
        """On the server's side. Raises Refused."""
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        with self.client() as client:
            answer = client.patch(
                path(document),
                params=query | ({"dryRun": "All"} if dry_run else {}),
                headers={"content-type": "application/apply-patch+yaml"},
                content=yaml.dump(dict(document), Dumper=yaml.CSafeDumper),
            )
        if answer.is_error:
            raise Refused(answer.json()["message"])
        return answer.json()

    def delete(self, document: Document) -> None:
        """Nothing happens if it is not there."""
        with self.client() as client:
            answer = client.delete(path(document))
        if answer.is_error and answer.status_code != 404:
            raise Refused(answer.json()["message"])

    def namespace(self, name: str) -> None:
        """Made, if it is not there."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    def install(self, definitions: Iterable[Document]) -> None:
        """CustomResourceDefinitions; returns when they are served."""
        applied = [self.apply(definition) for definition in definitions]
        for definition in applied:
            self._await(partial(self._is_served, definition), "serving its CRDs")

    def _run(self, name: str, options: Sequence[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [programs.get(name), *options],
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for whoever has started it
                preexec_fn=process.tied_to(os.getpid()),  # noqa: PLW1509 - prepared before the fork
            )

    def _end(self, name: str, sent: int) -> None:
        if process := self._running.pop(name, None):
            process.send_signal(sent)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _write_users(self) -> None:
        with (self.folder / "tokens.csv").open("w", newline="") as file:
            rows = csv.writer(file)
            for token, (name, *groups) in self._users.items():
                rows.writerow([token, name, name, ",".join(groups)])

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > deadline or self.ended:
                last = (self.folder / f"{self.ended or 'kube-apiserver'}.log").read_text().splitlines()
                raise CannotRun([f"the API server is not {what}; its last lines:", *last[-LINES_SHOWN:]])
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                return client.get("/readyz").status_code == 200
        except (httpx.TransportError, OSError):  # not there yet, or its certificate half written
            return False

    def _is_served(self, definition: Document) -> bool:
        spec = definition["spec"]
        served = [version["name"] for version in spec["versions"] if version["served"]]
        plural = spec["names"]["plural"]
        with self.client() as client:
            answers = [client.get(f"/apis/{spec['group']}/{version}/{plural}") for version in served]
        return all(answer.status_code == 200 for answer in answers)


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
