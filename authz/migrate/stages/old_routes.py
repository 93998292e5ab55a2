"""What of an APIRule's old routes keeps them from being taken away, or from coming back.

Pure. A VirtualService that goes in the end may serve nothing but the APIRule's hosts, at its Gateway.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from authz.controller.kinds import Document, key
from authz.istio import objects, strangers
from authz.istio.apirule import APIRule
from authz.migrate.stages import saved
from authz.migrate.stages.steps import Item
from authz.migrate.stages.surveyed import Survey

_RENAME = "VirtualService {} has the name of the APIRule, and would be written over: give one of them another"
_OTHER_HOSTS = "VirtualService {} also serves {}: give those hosts a VirtualService of their own first"
_ELSEWHERE = "VirtualService {} serves {} from another namespace than the APIRule's"
_CHANGED = (
    "VirtualService {} is not as it was when this began, {} wrote it last: "
    "let it write no more, and put it back as it was, or take it away"
)
_RENAMED = (
    "VirtualService {} sends requests to the workload as {}, which the policy of the migration would refuse "
    "from prepare on: leave the host as it is"
)
_OTHER_GATEWAYS = (
    "VirtualService {} serves them at {} too, where nobody would from the switch on: "
    "give those Gateways a VirtualService of their own first"
)


def elsewhere(wanted: APIRule, item: Item, own: Iterable[str]) -> list[str]:
    """Those of another namespace."""
    return [
        _ELSEWHERE.format(key(one), ", ".join(sorted(own)))
        for one in item.kept.routes
        if one["metadata"]["namespace"] != wanted.namespace
    ]


def shared(wanted: APIRule, item: Item, own: set[str]) -> Iterator[str]:
    """What would go with them, and is not the APIRule's."""
    for one in item.kept.routes:
        if key(one) == wanted.key:
            yield _RENAME.format(key(one))
        if more := {host.lower() for host in one["spec"].get("hosts") or ()} - own:
            yield _OTHER_HOSTS.format(key(one), ", ".join(sorted(more)))
        if gateways := other_gateways(one, wanted):
            yield _OTHER_GATEWAYS.format(key(one), ", ".join(gateways))


def other_gateways(route: Document, wanted: APIRule) -> list[str]:
    """Besides the APIRule's, each as `namespace/name`; `mesh` are the sidecars."""
    found = objects.read(objects.VirtualService, [route], [])
    named = {name for one in found for name in strangers.gateways(one)} - {wanted.spec.gateway}
    return sorted("mesh" if name.endswith("/mesh") else name for name in named)


def renamed(item: Item, own: set[str]) -> Iterator[str]:
    """A policy compares the authority as the workload sees it."""
    services = {one.service for one in item.admissions}
    for route in item.kept.routes:
        for http in route["spec"].get("http") or ():
            others = {host for host in _renames(http) if host.lower() not in own}
            if others and services & set(destinations({**route, "spec": {"http": [http]}})):
                yield _RENAMED.format(key(route), ", ".join(sorted(others)))


def _renames(http: Document) -> Iterator[str]:
    """To what a route changes the host, in any of the ways that Istio has."""
    yield from filter(None, [(http.get("rewrite") or {}).get("authority")])
    for part in [http, *(http.get("route") or ())]:
        request = (part.get("headers") or {}).get("request") or {}
        for name, value in (request.get("set") or {}).items():
            if name.lower() in ("host", ":authority"):
                yield str(value)


def destinations(route: Document) -> Iterator[str]:
    """Services, `namespace/name`; Istio takes short names for the VirtualService's own namespace."""
    for http in route["spec"].get("http") or ():
        for one in http.get("route") or ():
            parts = str((one.get("destination") or {}).get("host", "")).split(".")
            yield f"{parts[1] if len(parts) > 1 else route['metadata']['namespace']}/{parts[0]}"


def changed(survey: Survey, item: Item) -> Iterator[str]:
    """Kyma's api-gateway, Argo or whoever else holds it to what it was."""
    for one in item.kept.routes:
        there = survey.find("VirtualService", key(one))
        meant = [one["spec"], saved.mirrored(one, item.kept.shadow)["spec"] if item.kept.shadow else None]
        if there and there["spec"] not in meant:
            yield _CHANGED.format(key(one), writer(there))


def writer(document: Document) -> str:
    """Who wrote it last, as Kubernetes keeps it."""
    entries: list[Mapping[str, Any]] = list(document["metadata"].get("managedFields") or ())
    last = max(entries, key=lambda entry: str(entry.get("time", "")), default={})
    return str(last.get("manager") or "somebody")
