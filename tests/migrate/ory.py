"""The world that people come from: a real Oathkeeper, a real Hydra, issuers with key sets, and a workload.

All of it on loopback, each part stopped by whoever started it.
"""

import json
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from authz.local import programs
from authz.local.echo import METHODS
from authz.local.idp.issuer import Issuer
from authz.local.ports import LOOPBACK
from tests.servers import PATIENCE_S, answers, free_port, until

HYDRA_CLIENT = ("shop-robot", "shop-robot-secret")
JWKS_PATH = "/.well-known/jwks.json"

ENABLED: dict[str, Any] = {"enabled": True}
ALLOW: dict[str, Any] = {"handler": "allow"}
NOOP: tuple[dict[str, Any], ...] = ({"handler": "noop"},)


def access_rule(
    url: str,
    *authenticators: Mapping[str, Any],
    methods: Sequence[str] = ("GET",),
    mutators: Sequence[Mapping[str, Any]] = NOOP,
    **more: Any,
) -> dict[str, Any]:
    """One of Oathkeeper's; `url` is written as in its rules, with angle brackets."""
    return {
        "id": url,
        "match": {"url": url, "methods": list(methods)},
        "authenticators": list(authenticators),
        "authorizer": ALLOW,
        "mutators": list(mutators),
        "upstream": {"url": "http://127.0.0.1:9"},
        **more,
    }


def kyma_config(jwks_url: str = "http://127.0.0.1:9", hydra: "Hydra | None" = None) -> dict[str, Any]:
    """As Kyma configures Oathkeeper, which APIRules v1beta1 took their defaults from."""
    introspection = hydra.introspection if hydra else "http://127.0.0.1:9"
    token_url = f"{hydra.issuer}/oauth2/token" if hydra else "http://127.0.0.1:9"
    return {
        "authenticators": {
            "anonymous": {**ENABLED, "config": {"subject": "anonymous"}},
            "jwt": {**ENABLED, "config": {"jwks_urls": [jwks_url], "scope_strategy": "wildcard"}},
            "noop": ENABLED,
            "oauth2_client_credentials": {**ENABLED, "config": {"token_url": token_url}},
            "oauth2_introspection": {
                **ENABLED,
                "config": {"introspection_url": introspection, "scope_strategy": "exact"},
            },
            "unauthorized": ENABLED,
        },
        "authorizers": {"allow": ENABLED, "deny": ENABLED},
        "errors": {"handlers": {"json": ENABLED, "www_authenticate": ENABLED}},
        "mutators": {
            "cookie": {**ENABLED, "config": {"cookies": {"processedWith": "oathkeeper"}}},
            "header": {**ENABLED, "config": {"headers": {"X-Server": "oathkeeper"}}},
            "id_token": {
                **ENABLED,
                "config": {"issuer_url": "https://ok", "jwks_url": "file:///dev/null", "ttl": "60s"},
            },
            "noop": ENABLED,
        },
    }


class Oathkeeper:
    """ORY Oathkeeper with these access rules. `decisions` is asked about requests, `proxy` forwards them."""

    def __init__(
        self, folder: Path, rules: Sequence[Mapping[str, Any]], config: Mapping[str, Any], strategy: str = ""
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        api, proxy, metrics = free_port(), free_port(), free_port()
        self.url = f"http://{LOOPBACK}:{api}"
        self.decisions = f"{self.url}/decisions"
        self.proxy = f"http://{LOOPBACK}:{proxy}"
        self._metrics = f"http://{LOOPBACK}:{metrics}/metrics"
        self._folder = folder
        self._rules, self._config = folder / "rules.json", folder / "config.json"
        self.take(rules)
        listen = {"api": api, "proxy": proxy, "prometheus": metrics}
        matching = {"matching_strategy": strategy} if strategy else {}
        served = {name: {"host": LOOPBACK, "port": port} for name, port in listen.items()}
        settings = {
            **config,
            "log": {"level": "error"},
            "serve": served,
            "access_rules": {"repositories": [f"file://{self._rules}"], **matching},
        }
        self._config.write_text(json.dumps(settings))

    def take(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """It reads them anew when they change."""
        self._rules.write_text(json.dumps(rules))

    def start(self) -> None:
        command: list[str | Path] = [
            programs.get("oathkeeper"),
            "serve",
            "--config",
            self._config,
            "--sqa-opt-out",
        ]
        with (self._folder / "oathkeeper.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(lambda: answers(f"{self.url}/health/ready"))

    @property
    def asked(self) -> float:
        """How many requests have come to its proxy: whatever still does when it goes is cut off."""
        lines = httpx.get(self._metrics, trust_env=False, timeout=PATIENCE_S).text.splitlines()
        ours = [line for line in lines if line.startswith("ory_oathkeeper_requests_total")]
        return sum(float(line.rpartition(" ")[2]) for line in ours if 'service="oathkeeper-proxy"' in line)

    @property
    def rules(self) -> list[Any]:
        """What it has taken."""
        found: list[Any] = httpx.get(f"{self.url}/rules", trust_env=False, timeout=PATIENCE_S).json()
        return found

    def stop(self) -> None:
        self._process.kill()  # it would wait for idle connections, and keeps nothing
        self._process.wait(PATIENCE_S)

    def decide(
        self, host: str, target: str = "/", method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Asked as the proxy would have been: the path in the URL, which Oathkeeper decodes."""
        forwarded = {"x-forwarded-proto": "https", "x-forwarded-host": host, "x-forwarded-method": method}
        return httpx.get(
            self.decisions + target,
            headers={**forwarded, **(headers or {})},
            trust_env=False,
            timeout=PATIENCE_S,
        )


@contextmanager
def oathkeeper(
    folder: Path, rules: Sequence[Mapping[str, Any]], config: Mapping[str, Any], strategy: str = ""
) -> Iterator[Oathkeeper]:
    running = Oathkeeper(folder, rules, config, strategy)
    running.start()
    try:
        yield running
    finally:
        running.stop()


class Hydra:
    """ORY Hydra, whose clients are programs: opaque tokens, or JWTs where a client is to have them."""

    def __init__(self, folder: Path) -> None:
        public, admin = free_port(), free_port()
        self.issuer = f"http://{LOOPBACK}:{public}"
        self.jwks_url = f"{self.issuer}{JWKS_PATH}"
        self.introspection = f"http://{LOOPBACK}:{admin}/admin/oauth2/introspect"
        self._admin = f"http://{LOOPBACK}:{admin}"
        self._folder = folder
        self._environment = {
            "DSN": "memory",
            "SECRETS_SYSTEM": secrets.token_hex(16),
            "URLS_SELF_ISSUER": self.issuer,
            "SERVE_PUBLIC_HOST": LOOPBACK,
            "SERVE_PUBLIC_PORT": str(public),
            "SERVE_ADMIN_HOST": LOOPBACK,
            "SERVE_ADMIN_PORT": str(admin),
        }

    def start(self) -> None:
        """With one client, `HYDRA_CLIENT`."""
        with (self._folder / "hydra.log").open("ab") as log:
            self._process = subprocess.Popen(
                [programs.get("hydra"), "serve", "all", "--dev"],
                env=os.environ | self._environment,
                stdout=log,
                stderr=log,
            )
        until(lambda: answers(f"{self._admin}/health/ready"))
        self.register(HYDRA_CLIENT, "notes:read notes:write", ["notes", "others"])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    def register(
        self, client: tuple[str, str], scope: str = "", audience: Sequence[str] = (), strategy: str = "opaque"
    ) -> None:
        """`strategy` is "opaque" or "jwt": what its access tokens are."""
        name, secret = client
        metadata = {
            "client_id": name,
            "client_secret": secret,
            "grant_types": ["client_credentials"],
            "scope": scope,
            "audience": list(audience),
            "access_token_strategy": strategy,
        }
        url = f"{self._admin}/admin/clients"
        answer = httpx.post(url, json=metadata, trust_env=False, timeout=PATIENCE_S)
        if answer.status_code != 409:  # it is there already
            answer.raise_for_status()

    def token(
        self,
        scope: str = "notes:read",
        audience: str = "notes",
        client: tuple[str, str] = HYDRA_CLIENT,
    ) -> str:
        asked = {"grant_type": "client_credentials", "scope": scope, "audience": audience}
        return str(self._post("token", asked, client).json()["access_token"])

    def revoke(self, token: str, client: tuple[str, str] = HYDRA_CLIENT) -> None:
        self._post("revoke", {"token": token}, client)

    def _post(self, endpoint: str, form: dict[str, str], client: tuple[str, str]) -> httpx.Response:
        url = f"{self.issuer}/oauth2/{endpoint}"
        return httpx.post(url, data=form, auth=client, trust_env=False, timeout=PATIENCE_S).raise_for_status()


@contextmanager
def hydra(folder: Path) -> Iterator[Hydra]:
    running = Hydra(folder)
    running.start()
    try:
        yield running
    finally:
        running.stop()


class Issuers:
    """Any number of issuers behind one port, made when they are first named: each has a key of its own."""

    def __init__(self) -> None:
        known: dict[str, Issuer] = {}

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name, _, document = self.path.removeprefix("/").partition("/")
                found = known.get(name)
                body = json.dumps(_documents(found).get(f"/{document}")).encode() if found else b"null"
                self.send_response(200 if body != b"null" else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._known = known
        self._server = ThreadingHTTPServer((LOOPBACK, 0), Answer)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def issuer(self, name: str) -> Issuer:
        """Its `url` is the `iss` of its tokens, below which discovery finds its keys."""
        if name not in self._known:
            self._known[name] = Issuer(f"http://{LOOPBACK}:{self._server.server_port}/{name}")
        return self._known[name]

    def jwks_url(self, name: str) -> str:
        return self.issuer(name).url + JWKS_PATH

    def all(self) -> list[Issuer]:
        return list(self._known.values())

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _documents(issuer: Issuer) -> dict[str, Any]:
    discovery = {"issuer": issuer.url, "jwks_uri": issuer.url + JWKS_PATH}
    return {"/.well-known/openid-configuration": discovery, JWKS_PATH: issuer.jwks()}


@contextmanager
def issuers() -> Iterator[Issuers]:
    running = Issuers()
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def upstream() -> Iterator[str]:
    """The URL of a workload that answers any request with what it saw of it, in JSON."""

    class Echo(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            seen = {
                "method": self.command,
                "path": self.path,
                "headers": {name.lower(): value for name, value in self.headers.items()},
            }
            body = json.dumps(seen).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    for method in METHODS:
        setattr(Echo, f"do_{method}", Echo.answer)
    server = ThreadingHTTPServer((LOOPBACK, 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def through(proxy: str, host: str, target: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
    """As the gateway sends it to Oathkeeper's proxy."""
    return httpx.get(
        proxy + target, headers={"host": host, **(headers or {})}, trust_env=False, timeout=PATIENCE_S
    )
