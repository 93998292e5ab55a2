"""The chart's `values.schema.json`: what Helm refuses before anything is rendered.

Types come from the chart's own values, everything below `config` from the model of the configuration.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from authz.config import Config

CHART = Path(__file__).parent.parent / "charts" / "authz"

Schema = dict[str, Any]

_NOT_KEPT = {"title", "default", "examples", "format"}
_STRINGS: Schema = {"type": "array", "items": {"type": "string"}}
_SOME: Schema = {"type": "integer", "minimum": 1}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_NONE_OR_MORE: Schema = {"type": "integer", "minimum": 0}
_ANYTHING: Schema = {"type": "object"}
_OBJECT = "[a-z0-9]([-a-z0-9.]*[a-z0-9])?"


def _like(pattern: str) -> Schema:
    """What stands in a template as it is, and may not be more than it seems there."""
    return {"type": "string", "pattern": f"^(?:{pattern})$"}


_PROVIDERS = ["keycloak-oidc", "entra-id", "google", "github", "oidc"]

# What a value may be where its default does not tell: by its whole path, or by its own name.
_SPECIAL: Mapping[str, Schema] = {
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.pullSecrets": {"type": "array", "items": _like(_OBJECT)},
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "secrets": {"type": "array", "items": _like(_OBJECT), "uniqueItems": True},
    "name": _like(f"({_OBJECT})?"),
    "namespace": _like(f"({_OBJECT})?"),
    "serviceAccount": _like(_OBJECT),
    "gateway": _like(f"{_OBJECT}/{_OBJECT}"),
    "host": _like(f"({_OBJECT})?"),
    "key": _like("[-._a-zA-Z0-9]+"),
    "clusterDomain": _like(_OBJECT),
    "interval": _like("([0-9]+(ms|s|m|h))+"),
    "issuer": _like(r"(https?://[^\s\"'#{}]+)?"),
    "replicas": _SOME,
    "min": _SOME,
    "max": _SOME,
    "cpu": _SOME,
    "inFlight": _NONE_OR_MORE,
    "preStopSeconds": _NONE_OR_MORE,
    "maxRequests": _SOME,
    "maxConnections": _SOME,
    "failures": _SOME,
    "leftAloneSeconds": _SOME,
    "resources": _ANYTHING,
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "oauth2Proxy.provider": {"enum": _PROVIDERS},
    "oauth2Proxy.trustedProxies": _STRINGS | {"minItems": 1},
    "port": _PORT,
    "podPort": _PORT,
    "queryPorts": {"type": "array", "items": _PORT},
    "ingestPorts": {"type": "array", "items": _PORT},
    "selector": {
        "type": "object",
        "additionalProperties": {"type": "string"},
        "minProperties": 1,  # or the policies would be for every pod
    },
    "allowedGroups": _STRINGS,
    "allowedEmails": _STRINGS,
    "principals": _STRINGS,
    "adminGroups": {"type": "array", "items": {"type": "string", "pattern": "^[^'\\\\\n]+$"}},
    "signIn": {"enum": ["jwt", "proxy"]},
}


def schema() -> str:
    """JSON, as the file has it."""
    config = Config.model_json_schema(by_alias=True)
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    whole = _of(values, "") | {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$defs": {name: _plain(one) for name, one in config.pop("$defs").items()},
    }
    whole["properties"] |= {"config": _plain(config), "global": _ANYTHING}
    return json.dumps(whole, indent=1) + "\n"


def _of(value: Any, path: str) -> Schema:
    special = _SPECIAL.get(path) or _SPECIAL.get(path.rpartition(".")[2])
    if special:
        return special
    match value:
        case bool():
            return {"type": "boolean"}
        case str():
            return {"type": "string"}
        case list():
            return {"type": "array"}
        case dict() if value:
            inner = {name: _of(one, f"{path}.{name}".lstrip(".")) for name, one in value.items()}
            return {"type": "object", "additionalProperties": False, "properties": inner}
        case {}:
            return _ANYTHING
    raise ValueError(f"what may {path} be?")


def _plain(node: Any) -> Any:
    """What a validator needs of pydantic's schema; the defaults are the program's own."""
    match node:
        case dict():
            return {
                key: {name: _plain(one) for name, one in inner.items()}
                if key == "properties"
                else _plain(inner)
                for key, inner in node.items()
                if key not in _NOT_KEPT
            }
        case list():
            return [_plain(inner) for inner in node]
        case _:
            return node
