"""Guards in the cluster by the pods that they are for: by which keys tokens are verified, and who is asked.

What APIRules say now is found in `claims`; what the last version of any has left in place, here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from authz.controller import kinds
from authz.controller.claims import Subject
from authz.controller.held import Object
from authz.controller.kinds import VIRTUAL_SERVICES
from authz.istio.placement import Pods
from authz.istio.translate import Resource

Id = tuple[str, str]
_Spec = Mapping[str, Any]

_TERMS = ("jwksUri", "fromHeaders", "fromParams")


class Standing:
    """All guards with our labels."""

    def __init__(self) -> None:
        self._at: dict[Pods, dict[Id, Object]] = {}

    def changed(self, old: Object | None, new: Object | None) -> None:
        """One of the objects has."""
        if old and _counts(old):
            pods = _pods(old.key, old.spec)
            del self._at[pods][old.id]
            if not self._at[pods]:
                del self._at[pods]
        if new and _counts(new):
            self._at.setdefault(_pods(new.key, new.spec), {})[new.id] = new

    def unlike(self, wanted: Resource) -> Iterator[tuple[str, Subject]]:
        """Whose guards have the same pods verify tokens of an issuer otherwise, or ask another provider."""
        pods = _pods(kinds.key(wanted), wanted["spec"])
        for one in self._at.get(pods, {}).values():
            there = _said(one.spec)
            for name, terms in _said(wanted["spec"]).items():
                if there.get(name, terms) != terms:
                    yield one.owner, (pods, name)


def _counts(one: Object) -> bool:
    return bool(one.owner) and one.kind != VIRTUAL_SERVICES.name


def _pods(key: str, spec: _Spec) -> Pods:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    return key.partition("/")[0], frozenset(labels.items())


def _said(spec: _Spec) -> dict[str, Any]:
    """Of each issuer, what verifies its tokens and where they are looked for; of "", who is asked."""
    rules = spec.get("jwtRules") or ()
    terms = {one.get("issuer"): [one.get(name) for name in _TERMS] for one in rules}
    return terms | ({"": spec["provider"]} if "provider" in spec else {})
