"""What a cluster holds of a few kinds, read once: for verbs that look and go.

Nothing is written, and nothing is followed.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from authz.controller import kinds
from authz.controller.api import Api, Refused, Unreachable
from authz.controller.kinds import SERVICES, Document, Kind, key
from authz.controller.kubeconfig import Access

# Everybody's policies, and what changes the filters that come of them.
_POLICIES = Kind("security.istio.io/v1", "AuthorizationPolicy", "authorizationpolicies")
_FILTERS = Kind("networking.istio.io/v1alpha3", "EnvoyFilter", "envoyfilters", namespace="istio-system")


def of_the_mesh(mesh_config: str) -> tuple[Kind, ...]:
    """How it is configured, and what it has to do with authorizers.

    Each revision of istiod has a ConfigMap of its own, `istio-REVISION`.
    """
    mesh = kinds.mesh(mesh_config)
    revisions = replace(mesh, fields="", labels="istio.io/rev")
    return (mesh, revisions, SERVICES, _POLICIES, _FILTERS)


async def read(access: Access, wanted: Iterable[Kind]) -> tuple[list[Document], list[str]]:
    """All objects, and what could not be read, with the reason."""
    api, found, problems = Api(access), dict[tuple[str, str], Document](), list[str]()
    try:
        for kind in wanted:
            try:
                answer = await api.list(kind, _selected(kind))
            except (Refused, Unreachable) as error:
                problems.append(f"{kind.plural} can not be read: {error}")
            else:
                found |= {(kind.name, key(item)): _whole(item, kind) for item in answer["items"]}
    finally:
        await api.close()
    return list(found.values()), problems


def _selected(kind: Kind) -> dict[str, str]:
    wanted = {"fieldSelector": kind.fields, "labelSelector": kind.labels}
    return {name: value for name, value in wanted.items() if value}


def _whole(item: dict[str, Any], kind: Kind) -> Document:
    """A list does not repeat what its items are."""
    return {"apiVersion": kind.api_version, "kind": kind.name} | item
