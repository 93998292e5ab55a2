"""What browsers get from real Envoys for an APIRule with a corsPolicy, translated as it stands."""

import socket
from http.client import HTTPResponse

import pytest
import yaml

from authz.istio import apirule, translate
from tests.istio.meshes import known
from tests.local.envoys import laptop
from tests.local.meshes import LOOPBACK

pytestmark = pytest.mark.slow

HOST = "shop.example.com"
OWN, FOREIGN = "https://shop.example.com", "https://elsewhere.example.org"

APIRULE, *CLUSTER = yaml.safe_load_all("""
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: shop, namespace: apps}
spec:
  gateway: istio-system/gateway
  hosts: [shop.example.com]
  service: {name: shop, port: 8000}
  corsPolicy: {allowOrigins: [{exact: "https://shop.example.com"}], allowMethods: [GET], maxAge: 60}
  rules:
    - path: /open/{**}
      methods: [GET, OPTIONS]
      noAuth: true
    - path: /*
      methods: [GET]
      jwt: {authentications: [{issuer: https://idp, jwksUri: https://idp/keys}]}
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


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    emitted = translate.translate(apirule.parse(APIRULE), known(CLUSTER))
    with laptop(tmp_path_factory.mktemp("envoys"), emitted) as started:
        yield started


def ask(running, method, path, **headers):
    """The status, and the origin that may read the answer."""
    lines = [f"{method} {path} HTTP/1.1", f"host: {HOST}", "connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection((LOOPBACK, running.mesh.gateway.listen.port), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        with HTTPResponse(connection, method=method) as response:
            response.begin()
            return response.status, response.headers.get("access-control-allow-origin")


PREFLIGHT = {"access_control_request_method": "GET"}


@pytest.mark.parametrize(
    ("asked", "headers", "answer"),
    [
        ("OPTIONS /orders", PREFLIGHT | {"origin": OWN}, (200, OWN)),
        ("OPTIONS /orders", PREFLIGHT | {"origin": FOREIGN}, (403, None)),  # the application says 501
        ("OPTIONS /orders", PREFLIGHT, (404, None)),
        ("OPTIONS /orders", {"origin": OWN}, (404, None)),
        ("OPTIONS /open/a", PREFLIGHT | {"origin": OWN}, (200, OWN)),
        ("POST /orders", PREFLIGHT | {"origin": OWN}, (404, None)),
        ("GET /orders", {"origin": OWN}, (403, OWN)),
        ("GET /orders", {"origin": FOREIGN}, (403, None)),
        ("GET /open/a", {"origin": OWN}, (200, OWN)),
    ],
)
def test_browsers_learn_what_the_policy_allows_and_no_more(running, asked, headers, answer):
    assert ask(running, *asked.split(), **headers) == answer


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/orders", {"authorization": "Bearer x"}, 401),  # read, and bad
        ("/orders?access_token=x", {}, 403),  # not read, so there is none
    ],
)
def test_a_token_is_read_from_its_header_alone(running, path, headers, status):
    assert ask(running, "GET", path, **headers)[0] == status
