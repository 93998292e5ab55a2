"""What the mesh would answer under new rules: routes, sidecars and the authorizer, told as one table."""

import pytest
import yaml

from authz import config as settings
from authz.core.request import Request
from authz.migrate.verification.mesh import Mesh
from authz.server import ruleset
from authz.server.files import Document, Read
from authz.sources import Sources
from authz.sources.http import Client
from tests import idp
from tests.idp import ISSUER, NOW

CONFIG = f"""
authorizers:
  - name: ours
    accept: [{{jwt: {{issuer: "{ISSUER}", audiences: [shop], scopes: [write]}}}}]
    identityHeaders: {{x-user: sub}}
"""
RULES = f"""
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {{name: shop, namespace: shop}}
spec:
  hosts: [shop.example.com]
  gateway: gateways/main
  service: {{name: shop, port: 80}}
  corsPolicy: {{allowOrigins: [{{exact: "https://web.example.com"}}]}}
  rules:
    - path: /meshed/{{**}}
      methods: [GET]
      jwt:
        authentications: [{{issuer: "{ISSUER}", jwksUri: "{ISSUER}/keys"}}]
        authorizations: [{{requiredScopes: [read]}}]
    - path: /public
      methods: [GET]
      noAuth: true
      request: {{headers: {{x-from: "%REQ(user-agent)%"}}, cookies: {{c: d}}}}
    - {{path: /apart, methods: [GET], noAuth: true, service: {{name: apart, port: 80}}}}
    - {{path: /ours, methods: [GET], extAuth: {{authorizers: [ours]}}, service: {{name: apart, port: 80}}}}
"""
TOKENS = {
    "good": idp.sign(idp.claims()),
    "no scope": idp.sign(idp.claims(scope="other")),
    "endless": idp.sign(idp.claims(exp=None)),
    "no subject": idp.sign(idp.claims(sub=None)),
    "ID token": idp.sign(idp.claims(at_hash="x")),
    "expired": idp.sign(idp.claims(exp=NOW - 61)),
    "just expired": idp.sign(idp.claims(exp=NOW - 59)),
    "issued later": idp.sign(idp.claims(iat=NOW + 600)),
    "other issuer": idp.sign(idp.claims(iss="https://elsewhere")),
    "stranger's": idp.stranger(idp.claims()),
    "opaque": "opaque",
}
PREFLIGHT = {"origin": "https://web.example.com", "access-control-request-method": "GET"}


@pytest.fixture
async def mesh():
    documents = Read((Document("rules.yaml", yaml.safe_load(RULES)),))
    loaded = ruleset.load(documents, settings.parse(CONFIG))
    assert loaded.problems == ()
    client = Client(transport=idp.transport())
    sources = Sources(client, lambda: 0.0)
    yield Mesh(loaded, sources)
    await sources.close()
    await client.close()


@pytest.mark.parametrize(
    ("path", "token", "status", "why"),
    [
        ("/meshed/x", "", 403, "RBAC"),
        ("/meshed/x", "good", 200, "AUTHORIZED"),
        ("/meshed/x", "no scope", 403, "RBAC"),
        ("/meshed/x", "endless", 200, "AUTHORIZED"),
        ("/meshed/x", "no subject", 403, "RBAC"),
        ("/meshed/x", "ID token", 200, "AUTHORIZED"),
        ("/meshed/x", "expired", 401, "TOKEN_EXPIRED"),
        ("/meshed/x", "just expired", 200, "AUTHORIZED"),
        ("/meshed/x", "issued later", 200, "AUTHORIZED"),
        ("/meshed/x", "other issuer", 401, "ISSUER_UNKNOWN"),
        ("/meshed/x", "stranger's", 401, "SIGNATURE_INVALID"),
        ("/meshed/x", "opaque", 401, "TOKEN_MALFORMED"),
        ("/public", "", 200, "PUBLIC"),
        ("/public", "good", 200, "PUBLIC"),
        ("/public", "opaque", 401, "TOKEN_MALFORMED"),  # its sidecar checks tokens for another rule
        ("/apart", "opaque", 200, "PUBLIC"),  # this one's does not
        ("/ours", "", 401, "TOKEN_MISSING"),
        ("/ours", "good", 200, "AUTHORIZED"),
        ("/ours", "no scope", 403, "SCOPE_MISSING"),
        ("/ours", "endless", 401, "CLAIMS_MALFORMED"),
        ("/ours", "ID token", 401, "TOKEN_KIND"),
        ("/nothing", "", 404, "ROUTE"),
        ("/meshed//x", "good", 400, "PATH_AMBIGUOUS"),
    ],
)
async def test_a_request_is_answered_as_the_mesh_would(mesh, path, token, status, why):
    headers = {"authorization": f"Bearer {TOKENS[token]}"} if token else {}
    outcome = await mesh.decide(Request("GET", "shop.example.com", path, "", headers), NOW)
    assert (outcome.status, outcome.why) == (status, why)


@pytest.mark.parametrize(
    ("method", "host", "headers", "answer"),
    [
        ("POST", "shop.example.com", {}, (404, "ROUTE")),
        ("GET", "SHOP.example.com:443", {}, (200, "PUBLIC")),
        ("GET", "other.example.com", {}, (404, "ROUTE")),
        ("OPTIONS", "shop.example.com", {}, (404, "ROUTE")),
        ("OPTIONS", "shop.example.com", PREFLIGHT, (200, "PREFLIGHT")),
        ("OPTIONS", "shop.example.com", PREFLIGHT | {"origin": "https://evil"}, (403, "RBAC")),
        ("OPTIONS", "other.example.com", PREFLIGHT, (404, "ROUTE")),
        ("GET", "shop.example.com", {"authorization": "bearer opaque"}, (200, "PUBLIC")),  # not to Envoy
    ],
)
async def test_methods_hosts_and_preflights_are_the_gateways(mesh, method, host, headers, answer):
    outcome = await mesh.decide(Request(method, host, "/public", "", headers), NOW)
    assert (outcome.status, outcome.why) == answer
    assert outcome.allows == (answer == (200, "PUBLIC"))


async def test_the_workload_is_told_what_the_rule_and_the_authorizer_set(mesh):
    sent = {"user-agent": "curl", "cookie": "a=b"}
    public = await mesh.decide(Request("GET", "shop.example.com", "/public", "", sent), NOW)
    assert dict(public.headers) == {"x-from": "curl", "cookie": "c=d; a=b"}
    bearer = {"authorization": f"Bearer {TOKENS['good']}"}
    ours = await mesh.decide(Request("GET", "shop.example.com", "/ours", "", bearer), NOW)
    assert dict(ours.headers) == {"x-user": "alice"}
