"""Dashboards as the chart puts them behind the login, in a real browser."""

import json
import time

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from authz.local.ports import LOOPBACK
from tests.login import boards, grafana
from tests.login.browser import chromium
from tests.login.dashboards import ISSUER

pytestmark = pytest.mark.slow

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED = f"00-{TRACE}-b7ad6b7169203331-01"


@pytest.fixture
def browser(site, tmp_path):
    site.restart_proxy()
    with chromium(tmp_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def prometheus(site, tmp_path_factory):
    port = site.laptop.boards["prometheus"]
    with boards.prometheus(tmp_path_factory.mktemp("prometheus"), port, site.url("prometheus")):
        yield


@pytest.fixture(scope="module")
def jaeger(site, tmp_path_factory):
    ports = {
        "query.http-server": site.laptop.boards["jaeger"],
        "collector.otlp.http": site.laptop.shown.spans_port,
    }
    with boards.jaeger(tmp_path_factory.mktemp("jaeger"), ports):
        yield


@pytest.fixture(scope="module")
def kiali(site, prometheus, tmp_path_factory):  # noqa: ARG001 - it asks that one
    folder, ports = tmp_path_factory.mktemp("kiali"), site.laptop.boards
    with boards.kiali(folder, ports["kiali"], ports["prometheus"]) as kube:
        yield kube


@pytest.fixture(scope="module")
def board(site):
    """It looks for our keys where it is told to: behind the gateway, at its own host."""

    def fetch(url):
        assert url.startswith("https://grafana.localhost/")
        return site.ask("grafana", url.removeprefix("https://grafana.localhost")).body

    made = grafana.Grafana(site.laptop.shown.grafana, fetch)
    with grafana.serving(made, site.laptop.boards["grafana"]):
        yield made


def signed_in(browser, site, name, host, path="/"):
    browser.open(site.url(host, path))
    browser.sign_in(name)
    browser.wait_for(lambda: browser.url == site.url(host, path))


@pytest.mark.usefixtures("prometheus")
def test_the_real_prometheus_is_seen_by_who_has_signed_in_and_by_nobody_else(browser, site):
    refused = site.ask("prometheus", "/api/v1/query?query=1", accept="*/*")
    assert (refused.status, "SESSION_MISSING" in refused.body) == (401, True)
    browser.open(site.url("prometheus"))
    browser.sign_in("alice")
    browser.wait_for(lambda: browser.url.startswith(site.url("prometheus")) and "Prometheus" in browser.text)
    browser.picture("prometheus")
    [answer] = browser.fetch("/api/v1/query?query=1")
    assert (answer["status"], answer["kind"]) == (200, "application/json")


@pytest.mark.usefixtures("jaeger")
def test_the_real_jaeger_shows_the_trace_of_a_check_that_went_through_the_gateway(browser, site):
    signed_in(browser, site, "alice", "jaeger")
    browser.wait_for(lambda: "Jaeger UI" in browser.text)
    browser.picture("jaeger")
    assert site.ask("jaeger", "/api/services", accept="*/*", traceparent=SAMPLED).status == 401
    path = f"/api/traces/{TRACE}"
    browser.wait_for(lambda: browser.fetch(path)[0]["status"] == 200)
    browser.open(site.url("jaeger", path))
    browser.picture("jaeger-trace")
    [trace] = browser.seen["data"]
    [span] = trace["spans"]
    told = {tag["key"]: tag["value"] for tag in span["tags"]}
    assert (span["operationName"], told["authz.reason"]) == ("Check", "SESSION_MISSING")


@pytest.mark.usefixtures("kiali")
def test_the_real_kiali_shows_the_cluster_to_who_has_signed_in(browser, site):
    signed_in(browser, site, "alice", "kiali", "/api/namespaces")
    assert {each["name"] for each in json.loads(browser.text)} >= {"istio-system", "shop"}
    browser.picture("kiali")
    browser.open(site.url("kiali", "/api/auth/info"))
    assert browser.seen["strategy"] == "anonymous"


DELETED = "/api/namespaces/shop/istio/virtualservices/shop"


def test_nobody_changes_anything_by_kiali_which_would_do_it_for_everybody(site, kiali, cookie):
    """Its view-only mode hides what it does not refuse."""
    assert site.ask("kiali", DELETED, cookie=cookie).status == 200
    for method in ("DELETE", "PATCH", "POST", "PUT"):
        assert site.ask("kiali", DELETED, method, cookie=cookie).status == 404
    path = "/apis/networking.istio.io/v1/namespaces/shop/virtualservices/shop"
    with kiali.client() as client:
        assert client.get(path).status_code == 200
        direct = f"http://{LOOPBACK}:{site.laptop.boards['kiali']}{DELETED}"
        assert (httpx.delete(direct).status_code, client.get(path).status_code) == (200, 404)


@pytest.mark.usefixtures("prometheus")
def test_prometheus_is_asked_and_not_stopped(site, cookie):
    assert site.ask("prometheus", "/api/v1/query?query=1", "POST", cookie=cookie).status == 200
    assert site.ask("prometheus", "/-/quit", "POST", cookie=cookie).status == 404
    assert site.ask("prometheus", "/-/ready", cookie=cookie).status == 200


@pytest.mark.parametrize("host", ["prometheus", "jaeger", "kiali"])
def test_who_is_in_the_wrong_group_sees_nothing_of_it(browser, site, host, request):
    request.getfixturevalue(host)
    browser.open(site.url(host))
    browser.sign_in("bob")
    browser.wait_for(lambda: "not among those whom the rule admits" in browser.text)
    browser.picture(f"{host}-forbidden")
    cookie = f"session={browser.cookies['session']}"
    assert site.ask(host, "/api/anything", cookie=cookie).status == 403
    assert site.ask(host, "/api/anything", accept="*/*").status == 401


@pytest.mark.usefixtures("board")
@pytest.mark.parametrize(("name", "role"), [("alice", "Admin"), ("bob", "Viewer")])
def test_grafana_signs_people_in_as_themselves_and_in_their_role(browser, site, name, role):
    signed_in(browser, site, name, "grafana", "/api/user")
    user = browser.seen
    assert (user["email"], user["role"]) == (f"{name}@example.com", role)
    assert user["login"]


@pytest.mark.usefixtures("board")
@pytest.mark.parametrize(
    ("changes", "own", "expected"),
    [
        ({}, True, 200),
        ({}, False, 401),
        ({"aud": "kiali"}, True, 401),
        ({"iss": "https://elsewhere.example.com"}, True, 401),
        ({"exp": 1}, True, 401),
        ({"sub": None}, True, 401),
        (None, True, 401),
    ],
)
def test_what_grafana_would_believe_of_somebody_who_reaches_it_by_another_way(site, changes, own, expected):
    """The first is what the authorizer signs; the second has its key's name, and another key."""
    key = site.signing_key() if own else ec.generate_private_key(ec.SECP256R1())
    [kid] = [one["kid"] for one in json.loads(site.ask("grafana", "/.well-known/jwks.json").body)["keys"]]
    claims = {"iss": ISSUER, "aud": "grafana", "sub": "alice", "exp": time.time() + 60, "groups": ["admins"]}
    claims = {name: value for name, value in (claims | (changes or {})).items() if value is not None}
    token = jwt.encode(claims, key, "ES256", headers={"kid": kid})
    sent = {} if changes is None else {"x-auth-identity": token}
    url = f"http://{LOOPBACK}:{site.laptop.boards['grafana']}/api/user"
    assert httpx.get(url, headers=sent).status_code == expected


def test_a_token_that_a_client_brings_along_reaches_nobody(site):
    sent = {"x_auth_identity": "forged", "accept": "application/json"}
    assert site.ask("grafana", "/", **sent).status == 401
