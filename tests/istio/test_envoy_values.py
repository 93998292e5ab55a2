"""The real Envoy takes every value that an APIRule may hand it, the strangest ones together."""

import json
import subprocess
from string import printable
from typing import get_args

import pytest
import yaml

from authz.istio import apirule, headers, translate
from authz.istio.model import Method
from authz.local import certs, envoy
from tests.istio.meshes import known
from tests.istio.test_headers import OCTETS, ORIGINS, PREFIXES, REGEXES, TEXTS, WORDS
from tests.local.envoys import binary
from tests.local.meshes import GATEWAY, SIDECAR, around

CLUSTER = known(
    yaml.safe_load_all("""
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: apps}
spec: {selector: {app: shop}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443}, hosts: ["*"]}]}
""")
)
SIGNS = "!#$&'*+.^_`|~-"  # what names may hold beside letters, digits and %
VISIBLE = "".join(sorted(set(printable) - set(" \t\n\r\x0b\x0c%")))
COMMANDS = ["%REQ({0})%", "%REQ(:{0}?{0}):9999%", "%REQ(X-A?:path):1%%PROTOCOL%%%%START_TIME%%%"]


def taken(rows):
    return [value for value, is_taken in rows if is_taken]


def numbered(values):
    return {f"x-{position}{SIGNS}": value for position, value in enumerate(values)}


def document():
    texts = [
        *taken(TEXTS),
        f"{VISIBLE} \t{VISIBLE}",
        "%%" * 2_048,
        *(each.format(SIGNS) for each in COMMANDS),
    ]
    octets = [*taken(OCTETS), *(each.format(SIGNS) for each in COMMANDS)]
    octets.append("".join(sign for sign in VISIBLE if sign not in '",;\\'))
    origins = [*taken(ORIGINS), {"exact": VISIBLE}, {"prefix": VISIBLE}]
    jwt = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}
    tokens = [
        jwt | {"issuer": f"https://idp/{position}", "fromHeaders": [{"name": f"x{SIGNS}%", "prefix": prefix}]}
        for position, prefix in enumerate([*taken(PREFIXES), f" \t{VISIBLE}%"])
    ]
    words = [*taken(WORDS), SIGNS]
    added = {"headers": numbered(texts) | {"x%%": "a"}, "cookies": numbered(octets)}
    spec = {
        "hosts": ["shop.example.com"],
        "gateway": "istio-system/gateway",
        "service": {"name": "shop", "port": 8000},
        "corsPolicy": {
            "allowOrigins": [*origins, *({"regex": regex} for regex in [*taken(REGEXES), *COSTLY])],
            "allowHeaders": words,
            "allowMethods": [*get_args(Method), "*"],
            "exposeHeaders": words,
            "maxAge": 2**31 - 1,
        },
        "rules": [
            {"path": "/a", "methods": ["GET"], "noAuth": True, "request": added},
            {"path": "/b", "methods": ["GET"], "jwt": {"authentications": tokens}},
        ],
    }
    return {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": "shop", "namespace": "apps"},
        "spec": spec,
    }


COSTLY = [
    r"\D{100}" + r"\D?" * 83,
    r"\W{100}" + r"\W+" * 83,
    f"({'[^a]' * 61}){{10}}",
    "(" + r"\D" * 125 + "){10}",
    "(" + r"\W?" * 82 + "){0,10}",
    f"({'.?' * 124}){{10}}",
    "(" * 84 + "." + ")+" * 84,
]


@pytest.mark.slow
def test_envoy_takes_every_value_that_is_taken_here(tmp_path):
    certs.issue(tmp_path, {"gateway": f"spiffe://{GATEWAY}", "sidecar": f"spiffe://{SIDECAR}"})
    resources = list(translate.translate(apirule.parse(document()), CLUSTER))
    made = envoy.compile(resources, around(resources, tmp_path))
    for name, proxy in (("gateway", made.gateway), ("sidecar", made.sidecar)):
        start = tmp_path / f"{name}.json"
        start.write_text(json.dumps(envoy.bootstrap(proxy, 15000, name)))
        command = [binary(), "--mode", "validate", "--log-level", "warn", "-c", str(start)]
        checked = subprocess.run(command, capture_output=True, text=True, check=False)
        assert checked.returncode == 0, checked.stderr


def test_the_costly_ones_are_as_long_as_they_may_be():
    assert all(len(regex) > headers.REGEX_MAX_LENGTH - 7 for regex in COSTLY)
