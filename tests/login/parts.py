"""Real servers for the tests of this folder, each started once, and how to speak to them."""

import asyncio
import html
import re
import shutil
import subprocess
import threading
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import httpx

from authz.local import keycloak, oauth2_proxy, ports, programs, raw
from authz.local.ports import LOOPBACK
from authz.local.process import Process
from authz.local.raw import Answer
from authz.local.sign_in import SignIn
from authz.local.up import SAMPLES_LOGIN
from tests.login import dashboards
from tests.login.dashboards import WithBoards
from tests.migrate.ory import Hydra
from tests.servers import PATIENCE_S, free_port, is_listening, until

REFRESH_S = 3  # oauth2-proxy asks Keycloak about a session again after so long
SESSION_TTL_S = 1  # and the authorizer asks oauth2-proxy

NAMES = ("opaque", "writers", "readers", "stranger", "keycloak", "impostor")
AUTHORIZERS = """\
      - name: opaque
        accept:
          - introspection:
              {{issuer: "{hydra.issuer}", endpoint: "{hydra.introspection}", clientId: authz,
                clientSecretFile: {folder}/secret, audiences: [notes], ttl: 2s, negativeTtl: 1s}}
      - name: writers
        accept:
          - introspection:
              {{issuer: "{hydra.issuer}", endpoint: "{hydra.introspection}", clientId: authz,
                clientSecretFile: {folder}/secret, scopes: ["notes:write"]}}
      - name: readers
        accept:
          - introspection:
              {{issuer: "{hydra.issuer}", endpoint: "{hydra.introspection}", clientId: authz,
                clientSecretFile: {folder}/secret, audiences: [elsewhere]}}
      - name: stranger
        accept:
          - introspection:
              {{issuer: "http://127.0.0.1:1/other", endpoint: "{hydra.introspection}", clientId: authz,
                clientSecretFile: {folder}/secret}}
      - name: keycloak
        accept:
          - introspection:
              {{issuer: "http://127.0.0.1:9500/realms/authz", clientId: robot,
                clientSecretFile: {folder}/secret, ttl: 2s}}
      - name: impostor
        accept:
          - introspection:
              {{issuer: "http://127.0.0.1:9500/realms/authz", clientId: robot,
                clientSecretFile: {folder}/wrong}}
"""
APIRULE = """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {{name: {0}, namespace: monitoring}}
spec:
  hosts: [{0}.localhost]
  gateway: istio-system/gateway
  enforcement: Gateway
  service: {{name: board, port: 3000}}
  rules: [{{path: /*, methods: [GET, POST], extAuth: {{authorizers: [{0}]}}}}]
"""

T = TypeVar("T")


class Site:
    """A laptop that runs in a thread of its own, with people who sign in."""

    def __init__(self, laptop: WithBoards, loop: asyncio.AbstractEventLoop, folder: Path) -> None:
        assert laptop.signing_in
        self.laptop = laptop
        self.signing_in = laptop.signing_in
        self._loop = loop
        self._folder = folder

    def start(self) -> None:
        self.run(self.laptop.__aenter__())
        self._proxy = self.signing_in.parts[1]

    def stop(self) -> None:
        self.run(self._proxy.stop())
        self.run(self.laptop.__aexit__())

    def run(self, awaitable: Awaitable[T]) -> T:
        async def it() -> T:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(it(), self._loop).result(300)

    def url(self, host: str, path: str = "/") -> str:
        return f"http://{host}.localhost:{self.laptop.ports.gateway}{path}"

    def ask(self, host: str, path: str, method: str = "GET", **headers: str) -> Answer:
        lines = [("host", f"{host}.localhost:{self.laptop.ports.gateway}"), ("connection", "close")]
        lines += [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self.run(raw.ask(self.laptop.ports.gateway, method, path, lines))

    def signing_key(self) -> bytes:
        return (self._folder / "identity.pem").read_bytes()

    @property
    def proxy(self) -> str:
        """Where oauth2-proxy is asked."""
        return f"http://{LOOPBACK}:{self.signing_in.login.port}"

    def sign_in(self, name: str) -> str:
        """Without a browser: the cookie that it would have then."""
        forwarded = {"x-forwarded-proto": "http", "x-forwarded-host": self.url("notes")[7:-1]}
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            begun = client.get(f"{self.proxy}/oauth2/start?rd=%2F", headers=forwarded)
            page = client.get(begun.headers["location"])
            [action] = re.findall(r'action="([^"]+)"', page.text)
            form = {"username": name, "password": name}
            back = client.post(html.unescape(action), data=form, headers={"cookie": _cookies(page)})
            callback = back.headers["location"].replace(self.url("notes")[:-1], self.proxy)
            return _cookies(client.get(callback, headers=forwarded | {"cookie": _cookies(begun)}))

    def restart_proxy(self, redis: str = "") -> None:
        """Another one in its place, which knows no session."""
        self.run(self._restart_proxy(redis))

    def stop_proxy(self) -> None:
        self.run(self._proxy.stop())

    async def _restart_proxy(self, redis: str) -> None:
        await self._proxy.stop()
        login = replace(self.signing_in.login, redis=redis)
        command = oauth2_proxy.command(programs.get("oauth2-proxy"), self._folder, login)
        self._proxy = await Process.start("oauth2-proxy", command, lambda _: None)
        await self._proxy.ready(f"http://{LOOPBACK}:{login.port}/ping")


def _cookies(answer: httpx.Response) -> str:
    """Those it sets, and none that it clears. Keycloak's are Secure, which httpx would keep from http."""
    pairs = (each.partition(";")[0] for each in answer.headers.get_list("set-cookie"))
    return "; ".join(pair for pair in pairs if pair.partition("=")[2])


class Keycloak:
    """Its administrator."""

    def __init__(self, site: Site) -> None:
        self.issuer = keycloak.issuer(site.laptop.ports.keycloak)
        self._url = self.issuer.removesuffix(f"/realms/{keycloak.REALM}")
        self._password = site.signing_in.password

    def user(self, name: str) -> dict[str, Any]:
        [found] = self._call("GET", f"users?username={name}&exact=true").json()
        return dict(found)

    def change(self, name: str, **changes: Any) -> None:
        self._call("PUT", f"users/{self.user(name)['id']}", self.user(name) | changes)

    def sign_out(self, name: str) -> None:
        self._call("POST", f"users/{self.user(name)['id']}/logout")

    def _call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        form = {
            "grant_type": "password",
            "client_id": "admin-cli",
            "username": keycloak.ADMIN,
            "password": self._password,
        }
        with httpx.Client(trust_env=False, timeout=PATIENCE_S) as client:
            token = client.post(f"{self._url}/realms/master/protocol/openid-connect/token", data=form).json()
            bearer = {"authorization": f"Bearer {token['access_token']}"}
            url = f"{self._url}/admin/realms/{keycloak.REALM}/{path}"
            answer = client.request(method, url, json=body, headers=bearer)
            return answer.raise_for_status()


@contextmanager
def site(folder: Path, hydra: Hydra) -> Iterator[Site]:
    """The samples, and beside them hosts that take opaque tokens."""
    cluster = Path(shutil.copytree(SAMPLES_LOGIN, folder / "cluster"))
    (folder / "secret").write_text("robot-secret")
    (folder / "wrong").write_text("not the secret")
    settings = cluster / "cluster.yaml"
    text = settings.read_text().replace("cookieName: session", f"cookieName: session, ttl: {SESSION_TTL_S}s")
    login = {
        "oauth2Proxy": "http://oauth2-proxy.auth:4180",
        "cookieName": "session",
        "ttl": f"{SESSION_TTL_S}s",
    }
    shown = dashboards.behind(login, folder / "identity.pem")
    text += AUTHORIZERS.format(hydra=hydra, folder=folder) + shown.authorizers + shown.settings
    settings.write_text(text)
    (cluster / "dashboards.yaml").write_text(shown.documents)
    (cluster / "tokens.yaml").write_text("---".join(map(APIRULE.format, NAMES)))
    with background() as loop, (folder / "laptop.log").open("w") as log:
        offset, signing_in = ports.free_offset(), SignIn(f"{REFRESH_S}s")
        laptop = WithBoards([cluster], offset, lambda part, line: print(part, line, file=log), signing_in)
        laptop.shown = shown
        running = Site(laptop, loop, folder)
        running.start()
        try:
            yield running
        finally:
            running.stop()


@contextmanager
def background() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop in a thread, as long as the tests."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Its URL."""
    port = free_port()
    command: list[str | Path] = [
        programs.get("redis-server"),
        "--port",
        str(port),
        "--bind",
        LOOPBACK,
        "--save",
        "",
    ]
    with (folder / "redis.log").open("wb") as log:
        process = subprocess.Popen([*command, "--dir", str(folder)], stdout=log)
        try:
            until(lambda: is_listening(port))
            yield f"redis://{LOOPBACK}:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE_S)
