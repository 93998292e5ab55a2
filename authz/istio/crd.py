"""The CustomResourceDefinition, made from the models: what the API server knows of an APIRule.

Kubernetes wants a structural schema: references are put in place, and defaults are left to `parse`,
so that an APIRule in the cluster reads as its author wrote it.
"""

from collections.abc import Mapping
from typing import Any

from authz.istio import cel
from authz.istio.apirule import GROUP
from authz.istio.model import Model
from authz.istio.openapi import RULES, Schema, merged
from authz.istio.schema import Spec
from authz.istio.status import Status

VERSIONS = ("v2", "v2alpha1")  # of one schema; the first is stored

_KEPT = {
    "additionalProperties",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "properties",
    "required",
    "type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    RULES,
}

_COLUMNS = (  # Kyma's two, then ours; those of priority 1 are shown by `-o wide`
    {"name": "Status", "type": "string", "jsonPath": ".status.state"},
    {"name": "Hosts", "type": "string", "jsonPath": ".spec.hosts"},
    {"name": "Gateway", "type": "string", "jsonPath": ".spec.gateway", "priority": 1},
    {"name": "Description", "type": "string", "jsonPath": ".status.description", "priority": 1},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)

_ABOUT = """Hosts of an Istio gateway, and who may use which of their paths and methods. It becomes a
VirtualService, RequestAuthentications and AuthorizationPolicies."""


def build() -> dict[str, Any]:
    """Ready to be applied."""
    names = {
        "kind": "APIRule",
        "listKind": "APIRuleList",
        "plural": "apirules",
        "singular": "apirule",
        "shortNames": ["ar"],
        "categories": ["kyma-api-gateway"],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "conversion": {"strategy": "None"},
            "versions": [_version(name) for name in VERSIONS],
        },
    }


def schema(model: type[Model]) -> Schema:
    """A model's part of the definition."""
    document = model.model_json_schema(by_alias=True)
    return _structural(document, document.pop("$defs", {}))


def _version(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": name == VERSIONS[0],
        "subresources": {"status": {}},
        "additionalPrinterColumns": list(_COLUMNS),
        "schema": {"openAPIV3Schema": _root()},
    }


def _root() -> Schema:
    document = {
        "type": "object",
        "description": " ".join(_ABOUT.split()),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/v2"},
            "kind": {"type": "string", "description": "APIRule"},
            "metadata": {"type": "object"},
            "spec": schema(Spec),
            "status": schema(Status),
        },
    }
    return merged(document, cel.ROOT)


def _structural(node: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    whole = _resolved(node, definitions)
    kept = {key: value for key, value in whole.items() if key in _KEPT}
    if "description" in kept:
        kept["description"] = " ".join(kept["description"].split())
    for key in ("items", "additionalProperties"):
        if isinstance(kept.get(key), Mapping):
            kept[key] = _structural(kept[key], definitions)
        else:
            kept.pop(key, None)  # nothing unknown is what a structural schema says anyway
    if "properties" in kept:
        kept["properties"] = {
            name: _structural(inner, definitions) for name, inner in kept["properties"].items()
        }
    return kept


def _resolved(node: Mapping[str, Any], definitions: Mapping[str, Schema]) -> Schema:
    """Whatever a reference or an optional value stands for; what is said of the field goes before."""
    own = {key: value for key, value in node.items() if key not in ("$ref", "anyOf")}
    if "$ref" in node:
        return merged(_resolved(definitions[node["$ref"].rpartition("/")[2]], definitions), own)
    if "anyOf" in node:
        (given,) = [option for option in node["anyOf"] if option != {"type": "null"}]
        return merged(_resolved(given, definitions), own)
    return own
