"""Istio resources as they come: plain dicts, read field by field.

Nothing is skipped in silence: a field that the compiler does not know is an error that names it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class Unsupported(ValueError):
    """The resources ask for something that the local Envoys would not do as Istio does."""


@dataclass(frozen=True, slots=True)
class Node:
    """A part of a resource that knows where it stands."""

    where: str
    value: Any

    def error(self, name: str, message: str) -> Unsupported:
        """What to raise about a field of this node."""
        return Unsupported(f"{self.where}.{name}: {message}")

    def only(self, *names: str) -> Self:
        """The node itself, if it is a mapping with no fields but these."""
        for name in self._mapping():
            if name not in names:
                raise self.error(name, "not supported by the local gateway")
        return self

    def __contains__(self, name: str) -> bool:
        return name in self._mapping()

    def __getitem__(self, name: str) -> "Node":
        """The field as a node; one that is absent is an empty mapping."""
        return Node(f"{self.where}.{name}", self._mapping().get(name, {}))

    def fields(self) -> tuple[tuple[str, "Node"], ...]:
        """Every field by its name, sorted as istiod sorts a map."""
        return tuple((name, self[name]) for name in sorted(self._mapping()))

    def nodes(self, name: str) -> tuple["Node", ...]:
        """The items of a list field."""
        items = self._typed(name, list, [])
        return tuple(Node(f"{self.where}.{name}[{i}]", item) for i, item in enumerate(items))

    def texts(self, name: str) -> tuple[str, ...]:
        """The items of a list of strings."""
        return tuple(node.as_text() for node in self.nodes(name))

    def pairs(self, name: str) -> tuple[tuple[str, str], ...]:
        """A map of strings."""
        return tuple((key, value.as_text()) for key, value in self[name].fields())

    def text(self, name: str, default: str = "") -> str:
        """A string field."""
        return str(self._typed(name, str, default))

    def number(self, name: str, default: int = 0) -> int:
        """An integer field."""
        return int(self._typed(name, int, default))

    def real(self, name: str) -> float:
        """A number that need not be whole."""
        value = self._typed(name, object, 0)
        if not isinstance(value, int | float):
            raise self.error(name, "must be a number")
        return float(value)

    def flag(self, name: str, default: bool = False) -> bool:
        """A boolean field."""
        return bool(self._typed(name, bool, default))

    def duration(self, name: str) -> timedelta:
        """A duration such as `1.5s`; one that is absent is zero."""
        text = self.text(name, "0s")
        if not (found := _DURATION.fullmatch(text)):
            raise self.error(name, f"{text} is not a duration")
        return timedelta(seconds=float(found[1]) * _SECONDS[found[2]])

    def as_text(self) -> str:
        """The value itself, a string."""
        if not isinstance(self.value, str):
            raise Unsupported(f"{self.where}: must be a string")
        return self.value

    def _mapping(self) -> Mapping[str, Any]:
        if not isinstance(self.value, Mapping):
            raise Unsupported(f"{self.where}: must be a mapping")
        return self.value

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        value = self._mapping().get(name, default)
        if not isinstance(value, kind):
            raise self.error(name, f"must be of type {kind.__name__}")
        return value


@dataclass(frozen=True, slots=True)
class Document:
    """One resource: its kind, its place and its spec. `since` is when it was made, if that is known."""

    kind: str
    namespace: str
    name: str
    spec: Node
    since: str = ""

    def full(self, host: str) -> str:
        """A host in full: one without a dot is a Service of the resource's own namespace."""
        return host if "." in host or host == "*" else f"{host}.{self.namespace}.svc.cluster.local"

    def selects(self, namespace: str, labels: Mapping[str, str], root: str) -> bool:
        """True if it applies to such a proxy (Istio: WorkloadSelector; the root namespace means all)."""
        selector = self.spec["selector"].only("matchLabels")
        wanted = selector.pairs("matchLabels")
        return self.namespace in (namespace, root) and all(labels.get(key) == value for key, value in wanted)


KINDS = {
    "VirtualService": "networking.istio.io/v1",
    "RequestAuthentication": "security.istio.io/v1",
    "AuthorizationPolicy": "security.istio.io/v1",
}


def read(resources: Iterable[Mapping[str, Any]]) -> tuple[Document, ...]:
    """All resources as documents, in the order given."""
    return tuple(_document(resource) for resource in resources)


def _document(resource: Mapping[str, Any]) -> Document:
    kind, metadata = str(resource.get("kind")), resource.get("metadata") or {}
    namespace, name = metadata.get("namespace", "default"), metadata.get("name", "")
    where = f"{kind} {namespace}/{name}"
    if kind not in KINDS or resource.get("apiVersion") != KINDS[kind]:
        raise Unsupported(f"{where}: {resource.get('apiVersion')} {kind} is not compiled here")
    if "istio.io/dry-run" in (metadata.get("annotations") or {}):
        raise Unsupported(f"{where}: metadata.annotations: istio.io/dry-run is not supported")
    spec = Node(f"{where}: spec", resource.get("spec") or {})
    return Document(kind, namespace, name, spec, metadata.get("creationTimestamp", ""))
