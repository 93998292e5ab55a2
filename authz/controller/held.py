"""What is kept of the objects in a cluster: enough to compare and to plan, little enough for 10,000 APIRules.

Pure: documents in, values out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from authz.controller import kinds
from authz.controller.api import FIELD_MANAGER
from authz.controller.decoding import decoded, encoded
from authz.controller.kinds import Document
from authz.istio import apirule, cluster, migration, names, objects, services, strangers
from authz.istio.apirule import GROUP, APIRule
from authz.istio.hosts import Gateway
from authz.istio.migration import Migration
from authz.istio.problem import Invalid, Problem
from authz.istio.services import Service
from authz.istio.strangers import Stranger

FINALIZER = f"{GROUP}/subresources"  # Kyma's, so that either controller cleans up after the other

_LABELS = frozenset({names.OWNER_NAME, names.OWNER_NAMESPACE, *names.COMMON})


@dataclass(frozen=True, slots=True)
class Rule:
    """An APIRule as the API server has it.

    If it can not be read, `apirule` is None, `problems` say why; `hosts` and `gateway` are as written.
    """

    key: str
    uid: str
    version: str
    generation: int
    deleting: bool
    finalizers: tuple[str, ...]
    status: bytes
    apirule: APIRule | None
    problems: tuple[Problem, ...] = ()
    hosts: tuple[str, ...] = ()
    gateway: str = ""

    @property
    def migration(self) -> Migration | None:
        """None unless it is on its way from ORY."""
        return self.apirule.migration if self.apirule else None

    def leaves(self, kind: str, key: str) -> bool:
        """True for a route that Kyma made of its old version: whoever migrates it takes that away."""
        return kind == "VirtualService" and self.migration is not None and key in self.migration.routes


@dataclass(frozen=True, slots=True)
class Object:
    """One of ours. `content` is all of it that we say something about."""

    kind: str
    key: str
    owner: str
    deleting: bool
    content: bytes

    @property
    def id(self) -> tuple[str, str]:
        """Kind, and namespace/name."""
        return self.kind, self.key

    @property
    def spec(self) -> dict[str, Any]:
        """As it stands in the cluster."""
        found: dict[str, Any] = decoded(self.content)["spec"]
        return found or {}


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody else's VirtualService: which hosts it serves."""

    stranger: Stranger
    hosts: tuple[str, ...]


def rule(document: Document, known: Rule | None = None) -> Rule:
    """Never fails: what can not be read is told to its author. `known` is what it was before."""
    metadata, read, problems = document["metadata"], None, tuple[Problem, ...]()
    spec = document.get("spec", {})
    try:
        read = _same(metadata, known) or apirule.parse(
            {name: part for name, part in document.items() if name != "status"}
        )
    except Invalid as invalid:
        problems = invalid.problems
    return Rule(
        key=kinds.key(document),
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
        generation=metadata["generation"],
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers", ())),
        status=canonical(document.get("status") or {}),
        apirule=read,
        problems=problems,
        hosts=() if read else tuple(name for name in spec.get("hosts") or () if isinstance(name, str)),
        gateway="" if read else str(spec.get("gateway")),
    )


def _same(metadata: Mapping[str, Any], known: Rule | None) -> APIRule | None:
    """A status and finalizers are no news, and most writes are ours. Annotations change no generation."""
    if known is None or known.apirule is None:
        return None
    if (known.uid, known.generation) != (metadata["uid"], metadata["generation"]):
        return None
    said = migration.ours(metadata.get("annotations"))
    return known.apirule if said == known.apirule.metadata.annotations else None


def emitted(document: Document) -> Object:
    """An object with our labels."""
    metadata = document["metadata"]
    return Object(
        kind=document["kind"],
        key=kinds.key(document),
        owner=_owner(document),
        deleting="deletionTimestamp" in metadata,
        content=content(document),
    )


def virtual_service(document: Document) -> Object | Foreign:
    """Ours by its labels; or, if somebody took them off, because we have written it."""
    if _owner(document):
        return emitted(document)
    if _is_written_by_us(document):
        return replace(emitted(document), owner=kinds.key(document))  # they share a name
    found = strangers.known(objects.read(objects.VirtualService, [document], []))
    (stranger,) = {each for many in found.at.values() for each in many} or {
        Stranger(kinds.key(document), frozenset())
    }
    return Foreign(stranger, tuple(found.at))


def service(document: Document) -> Service:
    """One that can not be read selects nothing, and nothing is emitted for it."""
    document = document | {"apiVersion": "v1", "kind": "Service"}  # a list leaves them out
    found = list(objects.read(objects.Service, [document], []))
    return services.known(found[0]) if found else Service()


def gateway(document: Document) -> Gateway:
    """One that can not be read has no hosts."""
    found = list(objects.read(objects.Gateway, [document], []))
    return cluster.gateway(found[0]) if found else Gateway()


def providers(document: Document) -> dict[str, str] | None:
    """Of the mesh; None if its configuration can not be read."""
    document = document | {"apiVersion": "v1", "kind": "ConfigMap"}
    return cluster.providers(objects.read(objects.Mesh, [document], []))


def content(document: Document) -> bytes:
    """Equal for two objects if and only if they mean the same to Istio and to us.

    Istio reads labels and annotations of its own: `istio.io/dry-run` takes the force from a policy.
    """
    metadata = document["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    ours = {name: labels[name] for name in labels if name in _LABELS}
    said = {"labels": ours, "spec": document.get("spec")}
    if foreign := sorted([*_istios(labels), *_istios(annotations)]):
        said["foreign"] = foreign
    return canonical(said)


def excess(there: Document, wanted: Document) -> Document:
    """What a merge patch (RFC 7396) must hold to take away all that is not wanted; may be empty."""
    metadata = there["metadata"]
    marks = {part: dict.fromkeys(_istios(metadata.get(part) or {})) for part in ("labels", "annotations")}
    parts = {part: gone for part, gone in marks.items() if gone}
    patch: Document = {"metadata": parts} if parts else {}
    if spec := _excess(there.get("spec") or {}, wanted.get("spec") or {}):
        patch["spec"] = spec
    return patch


def canonical(value: Any) -> bytes:
    """The same value always gives the same bytes."""
    return bytes(memoryview(encoded(value, ordered=True)))  # orjson leaves 3 kB of room behind what is kept


def _excess(there: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {}
    for name, value in there.items():
        if name not in wanted:
            patch[name] = None
        elif isinstance(value, dict) and (deeper := _excess(value, wanted[name])):
            patch[name] = deeper
    return patch


def _istios(marks: Iterable[str]) -> list[str]:
    return [name for name in marks if name.partition("/")[0].endswith("istio.io")]


def _owner(document: Document) -> str:
    """The APIRule that its labels name, `namespace/name`; "" if they name none."""
    labels = document["metadata"].get("labels") or {}
    namespace, name = (labels.get(each) for each in (names.OWNER_NAMESPACE, names.OWNER_NAME))
    return f"{namespace}/{name}" if namespace and name else ""


def _is_written_by_us(document: Document) -> bool:
    entries = document["metadata"].get("managedFields") or ()
    return any(
        entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply" for entry in entries
    )
