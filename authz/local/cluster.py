"""The laptop as a small cluster: a real API server says what is to be, and everybody follows it.

The controller and the authorizer are programs of their own, with the rights of `config/rbac/` and no more.
"""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import yaml

from authz.controller import kubeconfig
from authz.local import atomic, plan, ports, programs, sign_in
from authz.local.apiserver import ApiServer
from authz.local.dataplane import DataPlane
from authz.local.failure import CannotRun
from authz.local.idp.app import app
from authz.local.idp.issuer import Issuer
from authz.local.parts import Heard, Parts, unheard
from authz.local.ports import LOOPBACK, Ports
from authz.local.process import Process
from authz.local.programs import cache
from authz.local.sign_in import SignIn

ROLES = Path(__file__).parents[2] / "config" / "rbac"
OWN_NAMESPACES = ("authz-system", "istio-system")
ACCOUNTS = {  # whose rights each part has
    "controller": "system:serviceaccount:authz-system:authz-controller",
    "authorizer": "system:serviceaccount:authz-system:authz",
    "mesh": "system:serviceaccount:istio-system:istiod",
}
POLL_S = 1.0  # for an accident that nobody waits for
SETTLING = "20s"  # of the first APIRules; it takes one


class Cluster:
    """An async context, like `Laptop`; `kubeconfig` is the administrator's, for kubectl.

    Raises CannotRun: at once for bad files, on entering where a port is taken or a part does not come up.
    """

    CAST = "an API server, two Envoys, a controller, an authorizer, an identity provider"

    def __init__(
        self,
        sources: Sequence[Path],
        offset: int = 0,
        heard: Heard = unheard,
        signing_in: SignIn | None = None,
    ) -> None:
        self.ports = Ports().moved(offset)
        self.issuer = Issuer(f"http://{LOOPBACK}:{self.ports.idp}")
        self.plan = plan.read(sources, offset)
        self.signing_in = signing_in
        sign_in.check(self.plan, signing_in)
        self.kubeconfig = cache.folder() / f"kubeconfig-{self.ports.api}"
        self._heard = heard
        self._tokens = {name: secrets.token_urlsafe() for name in ACCOUNTS}
        for name in ("etcd", "kube-apiserver", "kubectl"):
            programs.get(name)  # it may take minutes: before anything runs
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        wanted = self.ports.wanted(
            len(self.plan.backends), sign_in=self.signing_in is not None, kubernetes=True
        )
        if messages := ports.taken(wanted):
            raise CannotRun([*messages, ports.ADVICE])
        async with self._stack:
            await self._start()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def broken(self) -> None:
        """Returns never. Raises CannotRun once the API server has ended."""
        following = asyncio.create_task(self._plane.broken())
        try:
            while not (self._server.ended or following.done()):  # noqa: ASYNC110 - it is no child of the loop
                await asyncio.sleep(POLL_S)
        finally:
            following.cancel()
        if self._server.ended:
            raise CannotRun([f"{self._server.ended} has ended, so everything else has been stopped"])
        await following

    async def _start(self) -> None:
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="authz-")))
        await self._start_server(folder)
        running = Parts(await self._stack.enter_async_context(AsyncExitStack()), self._heard)
        await running.serve(app(self.issuer), self.ports.idp)
        await asyncio.to_thread(self._apply)
        if self.signing_in:
            await self.signing_in.start(self.plan, self.ports, folder, running.run)
        for name, text in self._settings().items():
            atomic.write(folder / f"{name}.yaml", text)
        controller = await self._run(running, folder, "controller", "controller")
        authorizer = await self._run(running, folder, "authorizer", "serve")
        access = kubeconfig.read(self._kubeconfig(folder, "mesh"))
        plane = DataPlane(access, plan.site(self.plan, self.ports, folder / "certs"), self._heard)
        self._plane = await self._stack.enter_async_context(plane)
        await controller.ready(f"http://{LOOPBACK}:{self.ports.controller}/readyz")
        await authorizer.ready(f"http://{LOOPBACK}:{self.ports.authorizer}/readyz")
        self.parts = (*plane.parts, controller, authorizer)
        if self.signing_in:
            self.parts += self.signing_in.parts
        await asyncio.to_thread(self._settle)

    def _settings(self) -> dict[str, str]:
        return {
            "controller": plan.controller_settings(self.plan, self.ports),
            "authorizer": plan.authorizer_settings(self.plan, self.ports, {"kubernetes": {}}),
        }

    async def _start_server(self, folder: Path) -> None:
        users = {token: (ACCOUNTS[name],) for name, token in self._tokens.items()}
        self._server = ApiServer(folder / "cluster", users, self.ports.api, secrets.token_urlsafe())
        # Linux ends it with the thread that starts it, and that one lives as long as the loop.
        self._stack.push_async_callback(self._stop_server)
        await asyncio.to_thread(self._server.__enter__)
        self._server.write_kubeconfig(self.kubeconfig, self._server.token)
        self._stack.callback(self.kubeconfig.unlink, missing_ok=True)

    async def _stop_server(self) -> None:
        await asyncio.to_thread(self._server.stop)

    async def _run(self, running: Parts, folder: Path, name: str, verb: str) -> Process:
        command = [sys.executable, "-m", "authz", verb, "--config", str(folder / f"{name}.yaml")]
        return await running.run(name, command, {"KUBECONFIG": str(self._kubeconfig(folder, name))})

    def _kubeconfig(self, folder: Path, name: str) -> Path:
        file = folder / f"{name}.kubeconfig"
        self._server.write_kubeconfig(file, self._tokens[name])
        return file

    def _apply(self) -> None:
        """By kubectl, so that whoever applies them again is the one who has applied them."""
        documents = [document.body for document in self.plan.documents]
        for namespace in sorted({*OWN_NAMESPACES, *map(_namespace, documents)}):
            self._server.namespace(namespace)
        for file in (*sorted(ROLES.glob("*.yaml")), Path(__file__).with_name("istiod.yaml")):
            self._kubectl("apply", "-f", str(file))
        self._kubectl("apply", "-f", "-", given=yaml.safe_dump_all(documents))

    def _settle(self) -> None:
        """What does not become ready shows why; that there are no rules is no mistake."""
        ready = ("wait", "--for=jsonpath={.status.state}=Ready", f"--timeout={SETTLING}")
        self._server.kubectl(*ready, "apirules", "--all", "--all-namespaces")

    def _kubectl(self, *arguments: str, given: str = "") -> None:
        done = self._server.kubectl(*arguments, given=given)
        if done.returncode != 0:
            raise CannotRun(done.stderr.splitlines())


def _namespace(document: Mapping[str, Any]) -> str:
    return str(document.get("metadata", {}).get("namespace", "default"))
