"""Old documents as people write them: one host, one Service, and the rules that a test is about."""

from typing import Any

import yaml

from authz.migrate.old import reading
from authz.migrate.old.rule import World

KEYS = "jwks_urls: [https://idp/keys], trusted_issuers: [https://idp]"
ASK = "introspection_url: https://idp/ask, trusted_issuers: [https://idp]"

NOOP = "[{handler: noop}]"
OPEN = "[{handler: allow}]"
UNCHECKED = "[{handler: no_auth}]"
TOKEN = f"[{{handler: jwt, config: {{{KEYS}}}}}]"
SCOPE = f"[{{handler: jwt, config: {{{KEYS}, required_scope: [a], scope_strategy: exact}}}}]"
OPAQUE = f"[{{handler: oauth2_introspection, config: {{{ASK}}}}}]"
BY_MESH = (
    "[{handler: jwt, config: {authentications: [{issuer: 'https://idp', jwksUri: 'https://idp/keys'}]}}]"
)


def strategy(path: str, methods: str, access: str = NOOP, mutators: str = "[]") -> dict[str, Any]:
    """A rule of an APIRule; `access` and `mutators` are YAML."""
    return {
        "path": path,
        "methods": methods.split(),
        "accessStrategies": yaml.safe_load(access),
        "mutators": yaml.safe_load(mutators),
    }


def apirule(*rules: dict[str, Any]) -> World:
    """Of Kyma."""
    spec = {
        "host": "shop.example.com",
        "gateway": "kyma-system/kyma-gateway",
        "service": {"name": "shop", "port": 80},
        "rules": list(rules),
    }
    metadata = {"name": "shop", "namespace": "apps"}
    body = {"apiVersion": "gateway.kyma-project.io/v1beta1", "kind": "APIRule", "metadata": metadata}
    return reading.read([("f.yaml", body | {"spec": spec})])


def access_rule(
    url: str, access: str = NOOP, methods: str = "GET", mutators: str = NOOP, authorizer: str = "allow"
) -> dict[str, Any]:
    """Of an access-rule file. A `url` that is a path is under the host's name."""
    return {
        "id": f"{methods} {url}",
        "match": {
            "url": url if "://" in url else f"<http|https>://x.example.com{url}",
            "methods": methods.split(),
        },
        "authenticators": yaml.safe_load(access),
        "authorizer": {"handler": authorizer},
        "mutators": yaml.safe_load(mutators),
        "upstream": {"url": "http://shop.apps"},
    }


def access_rules(*rules: dict[str, Any], settings: dict[str, Any] | None = None) -> World:
    """Such a file, and Oathkeeper's configuration if it is given."""
    return reading.read([("rules.json", list(rules)), *([("config.yaml", settings)] if settings else [])])
