"""What browsers, scripts and gRPC clients get from a real Envoy whose authorizer takes all kinds."""

import asyncio
import json
import socket
from http.client import HTTPResponse

import httpx
import pytest
import yaml

from authz.core.policy import Authorizer, Client, Introspection, Session
from authz.istio import apirule, policy, translate
from authz.server.h2 import server as h2
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources import Sources
from authz.sources.http import Client as Http
from tests import idp
from tests.far_end import FarEnd
from tests.istio.meshes import known
from tests.local.envoys import PATIENCE_S, laptop
from tests.local.meshes import LOOPBACK
from tests.sources.fakes import Person, SignInProxy, TokenIssuer

pytestmark = pytest.mark.slow

HOST, APP, EVIL = "shop.example.com", "https://app.example.com", "https://evil.example.org"
SESSION, STRANGER, OPAQUE = "s=alice", "s=eve", "opaque-1"

APIRULE, *CLUSTER = yaml.safe_load_all("""
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: shop, namespace: apps}
spec:
  gateway: istio-system/gateway
  hosts: [shop.example.com]
  service: {name: shop, port: 8000}
  enforcement: Gateway
  corsPolicy:
    allowOrigins: [{exact: "https://app.example.com"}, {regex: "https://[a-z]+[.]example[.]com"}]
    allowMethods: [GET, POST]
    allowHeaders: [authorization]
    allowCredentials: true
  rules:
    - path: /own
      methods: [GET, OPTIONS]
      extAuth: {authorizers: [people]}
    - path: /*
      methods: [GET, HEAD, POST]
      extAuth: {authorizers: [people]}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: apps}
spec: {selector: {app: shop}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80}, hosts: ["*"]}]}
""")


class Answer:
    """Status, headers as they came, body."""

    def __init__(self, response: HTTPResponse) -> None:
        self.status = response.status
        self.pairs = [(name.lower(), value) for name, value in response.getheaders()]
        self.headers = dict(self.pairs)
        self.body = response.read().decode()

    def each(self, name: str) -> list[str]:
        return [value for one, value in self.pairs if one == name]


class World:
    """The Envoys, the authorizer before them, and what it asks."""

    def __init__(self, folder) -> None:
        self.issuer, self.proxy = TokenIssuer(), SignInProxy()
        self.issuer.know(OPAQUE)
        self.proxy.sessions |= {SESSION: Person(), STRANGER: Person("eve", "e@x", ("guests",))}
        (folder / "secret").write_text("s")
        asked = Introspection(
            idp.ISSUER, Client("c", secret_file=folder / "secret"), f"{idp.ISSUER}/introspect"
        )
        signed_in = Session("http://shop.apps:8000", "s", allowed_groups=frozenset({"staff"}))
        people = Authorizer("people", (asked, signed_in), {"x-auth-subject": "sub"})
        rule, around = apirule.parse(APIRULE), known(CLUSTER, [people])
        self.emitted = translate.translate(rule, around)
        transport = FarEnd(self._answer)
        self.sources = Sources(Http(transport=transport), asyncio.get_running_loop().time)
        self.service = Service(self.sources, Telemetry())
        self.service.policy = policy.build([rule], {"people": people}, around)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        return await (self.proxy if request.url.host == "shop.apps" else self.issuer)._handle(request)

    async def ask(self, method: str, path: str, *headers: tuple[str, str]) -> Answer:
        return await asyncio.to_thread(_exchange, self.port, method, path, headers)

    port = 0


def _exchange(port, method, path, headers) -> Answer:
    lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in headers]
    with socket.create_connection((LOOPBACK, port), timeout=PATIENCE_S) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        with HTTPResponse(connection, method=method) as response:
            response.begin()
            return Answer(response)


@pytest.fixture
async def world(tmp_path):
    made = World(tmp_path)
    with laptop(tmp_path, made.emitted) as envoys:
        made.port = envoys.mesh.gateway.listen.port
        address = envoys.mesh.providers["authz"].address
        server = h2.Server(made.service, f"{address.host}:{address.port}", None)
        await server.start()
        await server.serving(ready=True)
        yield made
        await server.stop()
    await made.sources.close()


NAVIGATION = ("sec-fetch-mode", "navigate")


async def test_each_kind_of_caller_gets_what_it_can_use(world):
    first = await world.ask("GET", "/orders/7?a=b", NAVIGATION)
    assert (first.status, first.headers["location"]) == (302, "/oauth2/start?rd=%2Forders%2F7%3Fa%3Db")
    assert (first.headers["cache-control"], first.body) == ("no-store", "")

    script = await world.ask("GET", "/orders/7", ("sec-fetch-mode", "cors"), ("origin", APP))
    assert (script.status, json.loads(script.body)["reason"]) == (401, "SESSION_MISSING")
    assert script.each("access-control-allow-origin") == [APP]
    assert script.each("access-control-allow-credentials") == ["true"]
    assert script.each("www-authenticate")[0].startswith('Bearer realm="authz"')

    socket_ = await world.ask("GET", "/", NAVIGATION, ("upgrade", "websocket"), ("connection", "upgrade"))
    assert socket_.status in (401, 403)  # this Envoy may not know upgrades at all

    called = await world.ask("POST", "/a.B/C", ("content-type", "application/grpc"), ("te", "trailers"))
    assert (called.status, called.headers["grpc-status"]) == (200, "16")
    assert called.headers["grpc-message"] == "The request carries neither a token nor a session."

    stranger = await world.ask("GET", "/", NAVIGATION, ("cookie", STRANGER))
    assert (stranger.status, stranger.headers["content-type"]) == (403, "text/html; charset=utf-8")
    assert "/oauth2/sign_out" in stranger.body


async def test_who_may_pass_does_and_the_workload_sees_no_session(world):
    world.proxy.refreshed[SESSION] = ["s=new; Path=/", "s_1=more; Path=/"]
    passed = await world.ask("GET", "/x", ("cookie", f"theme=dark; {SESSION}"), ("x-auth-subject", "root"))
    heard = json.loads(passed.body)["headers"]
    assert (heard["x-auth-subject"], heard["cookie"]) == ("alice", "theme=dark")
    assert passed.each("set-cookie") == ["s=new; Path=/", "s_1=more; Path=/"]

    again = await world.ask("GET", "/x", ("cookie", SESSION))
    assert "cookie" not in json.loads(again.body)["headers"]
    assert again.each("set-cookie") == []

    opaque = await world.ask("GET", "/x", ("authorization", f"Bearer {OPAQUE}"))
    assert json.loads(opaque.body)["headers"]["x-auth-subject"] == "alice"


async def test_cookies_of_a_session_that_has_ended_are_cleared_one_by_one(world):
    world.proxy.refreshed["s=old"] = ["s=; Max-Age=0", "s_1=; Max-Age=0"]
    ended = await world.ask("GET", "/", NAVIGATION, ("cookie", "s=old"))
    assert ended.status == 302
    assert ended.each("set-cookie") == ["s=; Max-Age=0", "s_1=; Max-Age=0"]


async def test_two_of_a_kind_are_refused_as_envoy_joins_them(world):
    for headers in [
        (("cookie", SESSION), ("cookie", "s=other")),
        (("cookie", f"{SESSION}; s=other"),),
        (("authorization", f"Bearer {OPAQUE}"), ("authorization", "Bearer x")),
    ]:
        answer = await world.ask("GET", "/", *headers)
        assert (answer.status, json.loads(answer.body)["reason"]) == (400, "CREDENTIAL_AMBIGUOUS")


@pytest.mark.parametrize(
    ("path", "origin", "status", "admitted"),
    [
        ("/orders", APP, 200, True),
        ("/own", APP, 200, True),
        ("/orders", "https://other.example.com", 200, True),
        ("/orders", EVIL, 403, False),
        ("/own", EVIL, 401, False),
        ("/orders", "https://app.example.com.evil.org", 403, False),
        ("/orders", "null", 403, False),
    ],
)
async def test_envoy_answers_the_preflights_of_those_whom_the_policy_admits(
    world, path, origin, status, admitted
):
    asks = ("access-control-request-method", "POST")
    answer = await world.ask("OPTIONS", path, ("origin", origin), asks)
    assert answer.status == status
    assert answer.each("access-control-allow-origin") == ([origin] if admitted else [])
    assert "headers" not in answer.body  # the workload, which echoes them, was not asked


async def test_a_preflight_of_two_origins_reaches_no_workload(world):
    asks = ("access-control-request-method", "POST")
    for pair in [(APP, EVIL), (EVIL, APP)]:
        answer = await world.ask("OPTIONS", "/orders", *(("origin", origin) for origin in pair), asks)
        assert answer.status == 403
