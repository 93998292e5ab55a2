"""No route of a host, whatever it is for, lets a client say who it is."""

from dataclasses import replace

from authz.core.policy import Authorizer, Jwt, Session
from authz.istio import apirule, translate
from tests.istio.meshes import SHOP, known

PEOPLE = Authorizer("people", (Jwt("https://idp"), Session("http://oauth2-proxy.auth:4180")))
NAMED = known([], [PEOPLE], ["x-auth-subject", "x-user"])
AROUND = replace(NAMED, services=SHOP.services, gateways=SHOP.gateways)
SPELLINGS = {"x-auth-subject", "x_auth-subject", "x-auth_subject", "x_auth_subject", "x-user", "x_user"}
KEYS = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}


def test_every_route_takes_identity_headers_away():
    document = {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": {
            "hosts": ["shop.example.com"],
            "gateway": "gateways/main",
            "service": {"name": "shop", "port": 80},
            "corsPolicy": {"allowOrigins": [{"exact": "https://app.example.com"}]},
            "rules": [
                {"path": "/public", "methods": ["GET"], "noAuth": True},
                {"path": "/tokens", "methods": ["GET"], "jwt": {"authentications": [KEYS]}},
                {"path": "/*", "methods": ["GET"], "extAuth": {"authorizers": ["people"]}},
            ],
        },
    }
    *_, virtual_service = translate.translate(apirule.parse(document), AROUND)
    routes = [one for one in virtual_service["spec"]["http"] if "route" in one]
    assert len(routes) == 6, "three rules, metadata, sign-in pages and preflights"
    assert [one for one in routes if not set(one["headers"]["request"]["remove"]) >= SPELLINGS] == []
