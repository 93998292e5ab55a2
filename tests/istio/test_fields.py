"""What real Envoys make of each field of an APIRule that changes requests, translated as it stands."""

import json
import socket
import time

import pytest
import yaml

from authz.istio import apirule, translate
from tests.istio.meshes import known
from tests.local.envoys import PATIENCE_S, laptop
from tests.local.meshes import LOOPBACK

pytestmark = pytest.mark.slow

FIRST, SECOND, WILD, *CLUSTER = yaml.safe_load_all("""
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: one, namespace: apps}
spec:
  gateway: istio-system/gateway
  hosts: [one]
  service: {name: shop, port: 8000}
  timeout: 1
  rules:
    - path: /added
      methods: [GET]
      noAuth: true
      request:
        headers: {x-team: a, x-from: "%REQ(x-client)%"}
        cookies: {theme: dark, lang: en}
    - {path: "/patient/{**}", methods: [GET], timeout: 20, noAuth: true}
    - {path: /*, methods: [GET], noAuth: true}
---
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: two, namespace: other}
spec:
  gateway: istio-system/gateway
  hosts: [two.example.com, three.example.com]
  rules:
    - {path: /a, methods: [GET], service: {name: shop, namespace: apps, port: 8000}, noAuth: true}
---
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: wild, namespace: apps}
spec:
  gateway: istio-system/gateway
  hosts: ["*.example.com"]
  service: {name: shop, port: 8000}
  rules:
    - {path: /*, methods: [GET], noAuth: true}
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: apps}
spec: {selector: {app: shop}, ports: [{port: 8000}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80}, hosts: ["*.example.com"]}]}
""")


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    around = known([FIRST, SECOND, WILD, *CLUSTER])
    rules = [apirule.parse(document) for document in (FIRST, SECOND, WILD)]
    emitted = [made for rule in rules for made in translate.translate(rule, around)]
    with laptop(tmp_path_factory.mktemp("envoys"), emitted) as started:
        yield started


def headers(answer):
    assert answer.status == 200, answer
    return json.loads(answer.body)["headers"]


def test_cookies_are_added_to_the_clients_own_in_one_header(running):
    sent = headers(running.ask("one.example.com", "/added", cookie="session=s; a=b"))["cookie"]
    assert sent == "lang=en; theme=dark; session=s; a=b"
    assert headers(running.ask("one.example.com", "/added"))["cookie"].rstrip("; ") == "lang=en; theme=dark"


def test_headers_are_set_whatever_the_client_has_sent(running):
    sent = headers(running.ask("one.example.com", "/added", x_team="b", x_client="c"))
    assert (sent["x-team"], sent["x-from"]) == ("a", "c")


FORWARDED = [
    ("one.example.com", "/b", "one.example.com"),
    ("one.example.com:8443", "/b", "one.example.com"),
    ("two.example.com", "/a", "two.example.com"),
    ("three.example.com", "/a", "three.example.com"),
    ("three.example.com:80", "/a", "three.example.com:80"),
    ("x.example.com", "/b", "x.example.com"),
]


@pytest.mark.parametrize(("host", "path", "forwarded"), FORWARDED)
def test_hosts_are_served_with_and_without_a_port_and_forwarded(running, host, path, forwarded):
    answer = running.ask(host, path, x_forwarded_host="elsewhere.test")
    assert headers(answer)["x-forwarded-host"] == forwarded


REFUSED = [
    ("two.example.com", "/b", 404),
    ("example.com", "/b", 404),
    ("one.example.com.", "/b", 404),
    ("other.test", "/b", 404),
]


@pytest.mark.parametrize(("host", "path", "status"), REFUSED)
def test_what_no_rule_names_is_nowhere(running, host, path, status):
    assert running.ask(host, path).status == status


def test_a_service_that_is_slower_than_its_timeout_is_given_up(running):
    assert running.ask("one.example.com", "/slow").status == 504
    assert running.ask("x.example.com", "/slow").status == 200


def test_a_websocket_outlives_the_timeout_of_its_rule(running):
    lines = ["GET /socket HTTP/1.1", "host: one.example.com", "connection: upgrade", "upgrade: websocket"]
    with socket.create_connection((LOOPBACK, running.mesh.gateway.listen.port), PATIENCE_S) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 101 ")
        time.sleep(1.5)  # the timeout is 1
        connection.sendall(b"still here")
        assert connection.recv(4096) == b"still here"
