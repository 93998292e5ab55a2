"""From what is and what shall be to the writes between, in an order that never opens what neither opens.

Each write is seen by the mesh on its own. So after every one of them a request may pass only if it would
have passed before all of them, or will after; and no route leads to a workload before its guards stand.
The proof is a test that tries all of it (`tests/controller/test_plan.py`).

- A guard is there before the route that needs it, and goes after it. Hosts that are given up are left first.
- An ALLOW that changes does so between two writes of what it relies on: first a CUSTOM that asks about the
  old requests and the new, then a RequestAuthentication that knows the old issuers and the new, for its keys
  may be what an ALLOW that stays has lacked; in the end those that only know the new.
- Where there is nothing that serves both, because one issuer has other keys or another provider is asked,
  the ALLOW first shrinks to what the old one and the new one both say.
- Ambiguous paths are refused from before the first ALLOW that differs by path until after the last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from authz.controller import held, kinds
from authz.controller.decoding import decoded
from authz.controller.held import Object
from authz.controller.kinds import POLICIES
from authz.core import path as paths
from authz.istio.translate import Resource

Id = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Apply:
    """Make it so. `opens` if requests may pass by it that did not: all of their guards have to stand."""

    resource: Resource
    opens: bool = False

    @property
    def id(self) -> Id:
        """Kind, and namespace/name."""
        return self.resource["kind"], kinds.key(self.resource)


@dataclass(frozen=True, slots=True)
class Delete:
    """Take it away."""

    id: Id


Step = Apply | Delete
Phase = tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """What an object shall be, and the spec that it has; `old` is None if there is none."""

    resource: Resource
    old: dict[str, Any] | None

    @property
    def id(self) -> Id:
        return self.resource["kind"], kinds.key(self.resource)

    @property
    def role(self) -> str:
        return _role(self.resource["kind"], self.new)

    @property
    def new(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.resource["spec"]
        return spec

    def steps(self, spec: dict[str, Any]) -> list[Step]:
        """None if it is so already."""
        return [] if spec == self.old else [Apply(self.resource | {"spec": spec})]


def admits_less(phases: Iterable[Phase]) -> bool:
    """True if it is still to be written that less may pass than now: others have to wait for that."""
    return any(
        isinstance(step, Delete) or _role(step.resource["kind"], step.resource["spec"]) == "ALLOW"
        for phase in phases
        for step in phase
    )


def plan(desired: Sequence[Resource], actual: Iterable[Object]) -> tuple[Phase, ...]:
    """Phases: the steps of one may be taken in any order, and all before the next phase.

    Nothing if nothing differs; all is deleted if nothing is desired.
    """
    there = {one.id: one for one in actual}
    wanted = [_Change(resource, _old(resource, there)) for resource in desired]
    named = {change.id for change in wanted}
    extras = [one for id_, one in there.items() if id_ not in named and not one.deleting]
    clashing = [one for one in there.values() if any(_clashes(one, change) for change in wanted)]
    early = [one for one in extras if one in clashing]
    staying = [one for one in extras if one not in clashing]
    closing, *writes = _guards(wanted, there, closed=bool(clashing))
    if clashing:
        closing += [Apply(_closed(one)) for one in staying if _role(one.kind, one.spec) == "ALLOW"]
    routes = [one for one in wanted if one.role == "VirtualService" and not _stands(one, there)]
    leaving = [step for one in routes for step in _leaving(one)] if any((closing, early, *writes)) else []
    going = _deletions(staying)
    unrouted = bool(leaving) and all(isinstance(step, Delete) for step in leaving) and not going[0]
    phases: tuple[Sequence[Step], ...] = (
        leaving,
        closing,
        [Delete(one.id) for one in early],
        *writes[:-1],
        *(going if unrouted else ()),
        [Apply(one.resource | {"spec": _refusing_still(one)}, opens=True) for one in routes],
        writes[-1],
        *(() if unrouted else going),
        [Apply(one.resource) for one in routes if _refusing_still(one) != one.new],
    )
    return tuple(tuple(phase) for phase in phases if phase)


def _old(resource: Resource, there: Mapping[Id, Object]) -> dict[str, Any] | None:
    one = there.get((resource["kind"], kinds.key(resource)))
    return None if one is None or one.deleting else one.spec


def _guards(wanted: Sequence[_Change], there: Mapping[Id, Object], *, closed: bool) -> list[list[Step]]:
    """The last phase of these comes after the routes."""
    changed = [one for one in wanted if not _stands(one, there)]
    under = [one for one in changed if one.role in ("RequestAuthentication", "CUSTOM")]
    allows = [one for one in changed if one.role == "ALLOW"]
    leaping = {one.role for one in under if _leaps(one)}
    narrow: list[Step] = []
    if closed or len(leaping) > 1 or any(map(_moves, under)):
        allows = [one for one in wanted if one.role == "ALLOW"]
        narrow = [step for one in allows if one.old for step in one.steps(one.new | {"rules": []})]
    elif leaping:
        narrow = [step for one in allows if one.old for step in one.steps(_common(one))]
    between = {one.id: one.new if closed else _both(one) for one in under}
    return [
        narrow,
        [step for one in under if one.role == "CUSTOM" for step in one.steps(between[one.id])],
        [step for one in under if one.role != "CUSTOM" for step in one.steps(between[one.id])],
        [Apply(one.resource) for one in allows],
        [Apply(one.resource) for one in under if between[one.id] != one.new],
    ]


def _leaving(route: _Change) -> list[Step]:
    """Before anything else changes; two that exchange their hosts would wait for each other otherwise."""
    if route.old is None:
        return []
    kept = [host for host in route.old.get("hosts") or () if host in route.new["hosts"]]
    if not kept:
        return [Delete(route.id)]
    begun = [] if _refusals(route.old) else _refusals(route.new)
    return route.steps(route.old | {"hosts": kept, "http": [*begun, *route.old.get("http", ())]})


def _refusing_still(route: _Change) -> dict[str, Any]:
    """What it no longer refuses, it refuses as long as there are policies that count on it."""
    ended = [] if _refusals(route.new) else _refusals(route.old or {})
    return route.new | {"http": [*ended, *route.new["http"]]} if ended else route.new


def _stands(change: _Change, there: Mapping[Id, Object]) -> bool:
    return change.old is not None and there[change.id].content == held.content(change.resource)


def _deletions(extras: Sequence[Object]) -> list[list[Step]]:
    """In reverse."""
    roles = {one.id: _role(one.kind, one.spec) for one in extras}
    groups = ("VirtualService",), ("ALLOW",), ("CUSTOM", "RequestAuthentication")
    return [[Delete(id_) for id_, role in roles.items() if role in group] for group in groups]


def _common(change: _Change) -> dict[str, Any]:
    old = (change.old or {}).get("rules") or []
    return change.new | {"rules": [entry for entry in change.new["rules"] if entry in old]}


def _moves(change: _Change) -> bool:
    """True if it is about other pods than before."""
    return change.old is not None and change.old.get("selector") != change.new.get("selector")


def _closed(one: Object) -> Resource:
    """It stays on its pods, for without any ALLOW they are open to everyone, but admits nobody."""
    namespace, _, name = one.key.partition("/")
    metadata = {"name": name, "namespace": namespace, "labels": decoded(one.content)["labels"]}
    spec = one.spec | {"rules": []}
    return {"apiVersion": POLICIES.api_version, "kind": one.kind, "metadata": metadata, "spec": spec}


def _clashes(other: Object, change: _Change) -> bool:
    """True if it has the same pods verify tokens of an issuer by other keys than are wanted.

    Several Services may lead to the same pods, and each has objects of its own.
    """
    namespaces = {key.partition("/")[0] for _, key in (other.id, change.id)}
    if other.kind != change.id[0] or other.id == change.id or len(namespaces) > 1:
        return False
    moved = _Change(change.resource, other.spec)
    return change.role == "RequestAuthentication" and not _moves(moved) and _leaps(moved)


def _leaps(change: _Change) -> bool:
    """True if nothing in between serves both the old and the new."""
    old, new = change.old, change.new
    if old is None:
        return False
    if _moves(change) or old.get("provider") != new.get("provider"):
        return True
    before = {rule.get("issuer"): rule for rule in old.get("jwtRules") or ()}
    return any(before.get(rule["issuer"], rule) != rule for rule in new.get("jwtRules", ()))


def _both(change: _Change) -> dict[str, Any]:
    """The new, and as much of the old as can stand beside it."""
    old, new = change.old, change.new
    if old is None or _leaps(change):
        return new
    if "jwtRules" in new:
        return new | {"jwtRules": _union(new["jwtRules"], old.get("jwtRules") or ())}
    return new | {"rules": [{"to": _union(_operations(new), _operations(old))}]}


def _union(new: Sequence[Any], old: Sequence[Any]) -> list[Any]:
    """What is old already stays as it is written, so that it need not be written again."""
    if all(entry in old for entry in new):
        return list(old)
    return [*new, *(entry for entry in old if entry not in new)]


def _operations(spec: Mapping[str, Any]) -> list[Any]:
    return [operation for rule in spec.get("rules") or () for operation in rule.get("to") or ()]


def _role(kind: str, spec: Mapping[str, Any]) -> str:
    """The kind, and of an AuthorizationPolicy its action (Istio's default is ALLOW)."""
    return str(spec.get("action", "ALLOW")) if kind == "AuthorizationPolicy" else kind


def _refusals(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Routes that refuse paths that can be read in two ways."""
    return [
        route
        for route in spec.get("http") or ()
        if "directResponse" in route
        and any(match.get("uri", {}).get("regex") == paths.AMBIGUOUS for match in route.get("match") or ())
    ]
