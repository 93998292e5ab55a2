"""The user's reference of an APIRule: its fields as the model has them, and examples that are run."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from authz import documents, writing
from authz.core.policy import Authorizer
from authz.istio import apirule, cluster, crd, translate
from authz.istio.openapi import Schema
from authz.istio.schema import Spec
from authz.istio.status import Status
from authz.mesh import Istio

EXAMPLES = Path(__file__).with_name("apirule.yaml")

_INTRODUCTION = """# APIRule

Hosts of an Istio gateway, and who may use which of their paths and methods. This page is made from the model
and from examples that are run (`make fix`); `kubectl explain apirule.spec` says the same in a terminal.

    kubectl apply --server-side -f config/crd/apirules.yaml
    kubectl get apirule -o wide
    authz render FILE…         # what an APIRule becomes, without a cluster
    authz explain FILE… --url https://shop.example.com/orders

`gateway.kyma-project.io/v2` is the version; `v2alpha1` is served too and means the same. YAML written for
Kyma applies unchanged, but for `externalGateway`, and within [limits](decisions.md) that Kyma has not.
Where the API server can see a mistake it refuses it; the others stand in `status.description`.

In the examples a Service `shop` (and another, `other`) stands in the APIRule's namespace, and `login` is an
authorizer of the configuration.
"""

_BASE = """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: shop, namespace: shop}
spec:
  hosts: [shop.example.com]
  gateway: istio-system/gateway
  service: {name: shop, port: 80}
  rules: [{path: "/*", methods: [GET], noAuth: true}]
---
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}}
---
apiVersion: v1
kind: Service
metadata: {name: other, namespace: shop}
spec: {selector: {app: other}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gateway, namespace: istio-system}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443}, hosts: ["*.example.com"]}]}
"""

# Written like another, which is told once.
_AS = {
    "spec.rules[].service": "spec.service",
    "spec.rules[].extAuth.restrictions": "spec.rules[].jwt",
}
_DEFAULTS = {field.alias: field.default for field in Spec.model_fields.values()}


def render() -> str:
    """The page."""
    examples = {each["field"]: each for each in documents.read(EXAMPLES.read_text(encoding="utf-8"))}
    spec, status = crd.schema(Spec), crd.schema(Status)
    fields = [*_fields("spec", spec), *_fields("status", status)]
    if unknown := examples.keys() - {path for path, _, _ in fields}:
        raise ValueError(f"{EXAMPLES.name}: no field is called {', '.join(sorted(unknown))}")
    return "\n".join([_INTRODUCTION, *(_section(*field, examples) for field in fields)])


def _fields(path: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """Each with its schema, and whether it has to be there; in the order of the model."""
    for name, inner in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        yield here, inner, name in schema.get("required", ())
        within = inner.get("items", inner) if here not in _AS else {}
        yield from _fields(f"{here}[]" if "items" in inner else here, within)


def _section(path: str, schema: Schema, required: bool, examples: Mapping[str, Any]) -> str:
    depth = min(path.count(".") + 1, 4)
    lines = [f"{'#' * depth} {path}", "", schema["description"], "", _terms(path, schema, required), ""]
    if example := examples.get(path):
        lines += [*_example(example)]
    return "\n".join(lines)


def _terms(path: str, schema: Schema, required: bool) -> str:
    """Type, bounds and default, as the API server has them."""
    default = _DEFAULTS.get(path.removeprefix("spec."))
    kind = f"fields as in `{_AS[path]}`" if path in _AS else _type(schema)
    terms = [kind, "required" if required else "optional"]
    terms += [f"default `{default}`"] if isinstance(default, int | str) else []
    for low, high, what in (
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " entries"),
        ("minLength", "maxLength", " characters"),
        ("minProperties", "maxProperties", " entries"),
    ):
        if high in schema:
            terms.append(
                f"{schema[low]} to {schema[high]:,}{what}"
                if low in schema
                else f"up to {schema[high]:,}{what}"
            )
    return f"*{', '.join(terms)}*"


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "additionalProperties" in schema:
        return "text to text"
    return {"integer": "whole number", "boolean": "true or false", "string": "text"}.get(
        schema["type"], "fields"
    )


def _example(example: Mapping[str, Any]) -> Iterator[str]:
    if note := example.get("note"):
        yield from (note.strip(), "")
    yield from (
        "```yaml",
        writing.write([{"spec": example["spec"]}]).strip(),
        "```",
        "",
        "becomes",
        "",
        "```yaml",
    )
    emitted = _emitted(example["spec"])
    shown = [text for each in example["shows"] for text in _excerpts(each, emitted)]
    yield from ("\n".join(shown).strip(), "```", "")


def _emitted(spec: Mapping[str, Any]) -> tuple[translate.Resource, ...]:
    document, *around = documents.read(_BASE)
    document["spec"] |= spec
    settings = cluster.Settings(**Istio().model_dump())
    known, problems = cluster.parse(around, {"login": Authorizer("login")}, (), settings)
    if problems:
        raise ValueError(problems)
    return translate.translate(apirule.parse(document), known)


def _excerpts(wanted: str, emitted: tuple[translate.Resource, ...]) -> Iterator[str]:
    """`VirtualService spec.http[0].timeout` of each object of the kind that has it."""
    kind, _, path = wanted.partition(" ")
    for resource in emitted:
        if resource["kind"] == kind:
            yield f"# {kind}, {path}\n" + writing.write([{_last(path): _at(resource, path)}])


def _last(path: str) -> str:
    return path.rpartition(".")[2].partition("[")[0]


def _at(resource: Any, path: str) -> Any:
    for step in re.findall(r"[A-Za-z]+|\d+", path):
        resource = resource[int(step) if step.isdigit() else step]
    return resource
