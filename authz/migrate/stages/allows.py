"""ALLOW policies of others that guard a workload: what they admit adds up with what the new rules do.

Pure: documents in, values out. What can not be told counts as admitted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from authz.controller.kinds import Document
from authz.istio import mesh, objects
from authz.istio.mesh import MeshConfig
from authz.istio.placement import Workload
from authz.migrate.stages.saved import MANAGED
from authz.migrate.stages.surveyed import Survey, owner


def guarding(survey: Survey, workloads: Iterable[Workload]) -> Iterator[Document]:
    """Those of the workloads' own namespaces, and of the root namespace, whose policies are the mesh's."""
    found, roots = list(workloads), _roots(survey)
    return (
        one
        for one in survey.of("AuthorizationPolicy")
        if _is_foreign_allow(one) and any(_selects(one, workload, roots) for workload in found)
    )


def admits(policy: Document, principal: str) -> bool:
    """True if a request of this principal, `<trust domain>/ns/<namespace>/sa/<name>`, may match some rule."""
    near = policy["metadata"]["namespace"]
    return any(
        not rule.get("from") or any(_may_be(one.get("source") or {}, principal, near) for one in rule["from"])
        for rule in (policy.get("spec") or {}).get("rules") or ()
    )


def _roots(survey: Survey) -> set[str]:
    meshes = objects.meshes(survey.of("ConfigMap"), survey.settings.istio.mesh_config)
    found = {each.config.root_namespace for one in meshes for each in mesh.configs(one, [])}
    return found or {MeshConfig().root_namespace}


def _is_foreign_allow(policy: Document) -> bool:
    """What is attached to a Gateway or a Service is a waypoint's to enforce, not the workload's."""
    spec, labels = policy.get("spec") or {}, policy["metadata"].get("labels") or {}
    attached = spec.get("targetRef") or spec.get("targetRefs")
    known = labels.items() >= MANAGED.items() or owner(policy) != "/"
    return spec.get("action", "ALLOW") == "ALLOW" and not attached and not known


def _selects(policy: Document, workload: Workload, roots: set[str]) -> bool:
    spec = policy.get("spec") or {}
    labels = ((spec.get("selector") or {}).get("matchLabels") or {}).items()
    return (
        policy["metadata"]["namespace"] in {workload.namespace, *roots}
        and labels <= workload.selector.items()
    )


def _may_be(source: Mapping[str, Any], principal: str, near: str) -> bool:
    """Only who the caller is can rule it out: addresses and tokens a request may bring along."""
    _, _, namespace, _, account = principal.split("/", 4)
    accounts = [name if "/" in name else f"{near}/{name}" for name in source.get("serviceAccounts") or ()]
    return (
        _takes(source.get("principals"), principal, _is_like)
        and _takes(source.get("namespaces"), namespace, _is)
        and _takes(accounts, f"{namespace}/{account}", _is)
        and not any(_is(one, principal) for one in source.get("notPrincipals") or ())
        and not any(_is(one, namespace) for one in source.get("notNamespaces") or ())
    )


def _takes(patterns: Iterable[str] | None, value: str, fits: Callable[[str, str], bool]) -> bool:
    """A field that is not there, or empty, takes all."""
    found = list(patterns or ())
    return not found or any(fits(one, value) for one in found)


def _is(pattern: str, value: str) -> bool:
    """As Istio compares strings of policies: exact, or with one `*` at the beginning or the end."""
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern


def _is_like(pattern: str, principal: str) -> bool:
    """In whichever trust domain: a mesh may have aliases for its own."""
    return _is(pattern, principal) or _is(pattern.partition("/")[2], principal.partition("/")[2])
