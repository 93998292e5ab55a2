"""Two Envoys that follow a real API server, whoever writes there."""

import asyncio
import json

import pytest

from authz.controller import kubeconfig
from authz.istio.cluster import Settings
from authz.local import ports, raw
from authz.local.dataplane import DataPlane
from authz.local.envoy import Address
from authz.local.ports import LOOPBACK, Ports
from authz.local.site import Site
from tests.kube.server import ApiServer
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow

GATEWAY = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
SETTINGS = Settings("authz", {"istio": "ingressgateway"}, GATEWAY)
MESH = """
extensionProviders:
  - name: authz
    envoyExtAuthzGrpc: {service: authz.authz-system.svc.cluster.local, port: 9191, timeout: 500ms}
"""


def made(api_version, kind, name, spec, namespace="shop"):
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}


def service(name):
    return made("v1", "Service", name, {"selector": {"app": name}, "ports": [{"name": "http", "port": 80}]})


def virtual_service(name, *http, hosts=("shop.localhost",), gateways=("istio-system/gateway",)):
    spec = {"hosts": list(hosts), "gateways": list(gateways), "http": list(http)}
    return made("networking.istio.io/v1", "VirtualService", name, spec)


def to(host, **fields):
    return {"route": [{"destination": {"host": host}}], **fields}


def policy(name, *rules, **fields):
    spec = {"selector": {"matchLabels": {"app": "one"}}, "rules": list(rules), **fields}
    return made("security.istio.io/v1", "AuthorizationPolicy", name, spec)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("followed")) as server:
        for name in ("istio-system", "shop"):
            server.namespace(name)
        http = {"number": 8080, "name": "http", "protocol": "HTTP"}
        gateway = {
            "selector": {"istio": "ingressgateway"},
            "servers": [{"port": http, "hosts": ["*.localhost"]}],
        }
        server.apply(made("networking.istio.io/v1", "Gateway", "gateway", gateway, "istio-system"))
        mesh = {"metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": MESH}}
        server.apply({"apiVersion": "v1", "kind": "ConfigMap", **mesh})
        for name in ("one", "two"):
            server.apply(service(name))
        yield server


class Follower:
    """A data plane, what it has written, and what a test asks of it."""

    def __init__(self, server, folder):
        self.server = server
        self.ports = Ports().moved(ports.free_offset())
        addresses = {("authz.authz-system.svc.cluster.local", 9191): Address(LOOPBACK, self.ports.checks)}
        self.heard: list[tuple[str, str]] = []
        ground = Site(SETTINGS, self.ports, folder, addresses)
        access = kubeconfig.read(server.kubeconfig)
        self.plane = DataPlane(access, ground, lambda part, line: self.heard.append((part, line)))
        self.written = []

    async def ask(self, path="/", host="shop.localhost"):
        """The status, and the Service that has answered."""
        answer = await raw.ask(self.ports.gateway, "GET", path, [("host", host)])
        return answer.status, json.loads(answer.body)["service"].partition(".")[
            0
        ] if answer.status == 200 else ""

    async def becomes(self, *expected, path="/"):
        async with asyncio.timeout(PATIENCE_S):
            while await self.ask(path) != expected:  # noqa: ASYNC110  # there is nothing that would tell us
                await asyncio.sleep(0.05)

    async def hears(self, part, *words):
        async with asyncio.timeout(PATIENCE_S):
            while not any(who == part and all(word in line for word in words) for who, line in self.heard):  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    def apply(self, document):
        self.written.append(document)
        self.server.apply(document)

    def delete(self, document):
        self.server.delete(document)


@pytest.fixture
async def follower(server, tmp_path):
    follower = Follower(server, tmp_path)
    async with follower.plane:
        yield follower
    for document in follower.written:
        server.delete(document)


async def test_routes_that_nobody_of_ours_has_written_are_followed(follower):
    assert await follower.ask() == (404, "")
    follower.apply(virtual_service("plain", to("one")))
    await follower.becomes(200, "one")
    follower.apply(virtual_service("plain", to("two.shop.svc.cluster.local")))
    await follower.becomes(200, "two")
    follower.delete(virtual_service("plain"))
    await follower.becomes(404, "")


async def test_who_takes_over_in_the_same_moment_leaves_nobody_without_an_answer(follower):
    follower.apply(virtual_service("before", to("one")))
    await follower.becomes(200, "one")
    follower.apply(virtual_service("after", to("two")))
    follower.delete(virtual_service("before"))
    seen = {(200, "one")}
    async with asyncio.timeout(PATIENCE_S):
        while (answer := await follower.ask()) != (200, "two"):
            seen.add(answer)
    assert seen == {(200, "one")}


async def test_two_of_one_host_are_merged_and_the_older_goes_first(follower):
    """By age and not by name; and what takes everything is last, whoever says it."""
    follower.apply(virtual_service("z", to("one", match=[{"uri": {"prefix": "/a"}}]), to("one")))
    await asyncio.sleep(1.1)  # Kubernetes' timestamps are of seconds
    both = [{"uri": {"prefix": "/a"}}, {"uri": {"exact": "/b"}}]
    follower.apply(virtual_service("a", to("two", match=both)))
    await follower.becomes(200, "two", path="/b")
    assert await follower.ask("/a/1") == (200, "one")
    assert await follower.ask("/c") == (200, "one")
    follower.delete(virtual_service("z"))
    await follower.becomes(200, "two", path="/a/1")
    assert await follower.ask("/c") == (404, "")


@pytest.mark.parametrize(
    "copied",
    [{"mirror": {"host": "two"}}, {"mirrors": [{"destination": {"host": "two", "port": {"number": 80}}}]}],
    ids=["mirror", "mirrors"],
)
async def test_a_mirror_gets_a_copy_and_its_answer_goes_nowhere(follower, copied):
    follower.apply(virtual_service("mirrored", to("one", **copied)))
    await follower.becomes(200, "one")
    await follower.hears("sidecar", '"authority":"shop.localhost-shadow"')


async def test_only_what_names_our_gateway_and_its_hosts_is_served(follower):
    follower.apply(virtual_service("mesh", to("one"), gateways=["mesh"]))
    follower.apply(virtual_service("other", to("one"), gateways=["other/gateway"]))
    follower.apply(virtual_service("foreign", to("one"), hosts=["shop.example.com"]))
    follower.apply(virtual_service("both", to("two"), gateways=["mesh", "istio-system/gateway"]))
    await follower.becomes(200, "two")
    assert await follower.ask(host="shop.example.com") == (404, "")


@pytest.mark.parametrize(
    ("action", "principal", "expected"),
    [
        ("ALLOW", GATEWAY, 403),
        ("ALLOW", "cluster.local/ns/x/sa/y", 200),
        ("DENY", GATEWAY, 200),
        ("DENY", "cluster.local/ns/x/sa/y", 403),
    ],
)
async def test_a_policy_may_say_who_it_does_not_mean(follower, action, principal, expected):
    follower.apply(virtual_service("plain", to("one")))
    await follower.becomes(200, "one")
    source = {"source": {"notPrincipals": [principal]}}
    follower.apply(policy("others", {"from": [source]}, action=action))
    await asyncio.sleep(0.5)  # in which what is not meant would be refused
    await follower.becomes(expected, "one" if expected == 200 else "")


async def test_what_can_not_be_done_as_istio_does_it_changes_nothing_and_is_said(follower):
    follower.apply(virtual_service("plain", to("one")))
    await follower.becomes(200, "one")
    odd = policy("odd", {"to": [{"operation": {"ports": ["80"]}}]})
    follower.apply(odd)
    await follower.hears("mesh", "AuthorizationPolicy shop/odd: spec.rules[0].to[0].operation.ports")
    follower.apply(virtual_service("plain", to("two")))
    await asyncio.sleep(0.5)
    assert await follower.ask() == (200, "one")
    follower.delete(odd)
    await follower.becomes(200, "two")


async def test_a_service_that_is_not_there_is_503_and_a_new_one_is_found(follower):
    follower.apply(virtual_service("plain", to("three")))
    await follower.becomes(503, "")
    follower.apply(service("three"))
    await follower.becomes(200, "three")


async def test_a_route_is_never_there_without_its_guard(follower):
    guard, route = policy("nobody"), virtual_service("guarded", to("one"))
    seen = set()

    async def watch():
        while True:
            seen.add((await follower.ask())[0])

    watching = [asyncio.create_task(watch()) for _ in range(3)]
    for _ in range(5):
        for document in (guard, route):
            await asyncio.to_thread(follower.server.apply, document)
        await follower.becomes(403, "")
        for document in (route, guard):
            await asyncio.to_thread(follower.server.delete, document)
        await follower.becomes(404, "")
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    assert seen == {403, 404}


async def test_what_envoy_itself_refuses_is_said(follower):
    follower.apply(virtual_service("odd", to("one", match=[{"uri": {"regex": "("}}])))
    await follower.hears("mesh", "the gateway does not take what it is told")
    follower.apply(virtual_service("odd", to("one")))
    await follower.becomes(200, "one")
