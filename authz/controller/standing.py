"""Guards in the cluster by the pods that they are for: by which keys tokens are verified, and who is asked.

What APIRules say now is found in `claims`; what the last version of any has left in place, here.
"""

import json
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
    """All guards with our labels, by what they say: of many on the same pods, most say the same."""

    def __init__(self) -> None:
        self._there: dict[Subject, dict[str, dict[Id, str]]] = {}  # in the end, whose guard it is

    def changed(self, old: Object | None, new: Object | None) -> None:
        """One of the objects has."""
        if old and _counts(old):
            for subject, terms in _said(old.key, old.spec):
                self._drop(subject, terms, old.id)
        if new and _counts(new):
            for subject, terms in _said(new.key, new.spec):
                self._there.setdefault(subject, {}).setdefault(terms, {})[new.id] = new.owner

    def unlike(self, wanted: Resource) -> Iterator[tuple[str, Subject]]:
        """Whose guards have the same pods verify tokens of an issuer otherwise, or ask another provider."""
        for subject, wanted_terms in _said(kinds.key(wanted), wanted["spec"]):
            for terms, guards in self._there.get(subject, {}).items():
                if terms != wanted_terms:
                    yield from ((owner, subject) for owner in guards.values())

    def _drop(self, subject: Subject, terms: str, guard: Id) -> None:
        there = self._there[subject]
        del there[terms][guard]
        if not there[terms]:
            del there[terms]
        if not there:
            del self._there[subject]


def _counts(one: Object) -> bool:
    return bool(one.owner) and one.kind != VIRTUAL_SERVICES.name


def _said(key: str, spec: _Spec) -> Iterator[tuple[Subject, str]]:
    """Of each issuer, what verifies its tokens and where they are looked for; of "", who is asked."""
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    pods: Pods = key.partition("/")[0], frozenset(labels.items())
    found = {one.get("issuer"): [one.get(name) for name in _TERMS] for one in spec.get("jwtRules") or ()}
    asked = {"": spec["provider"]} if "provider" in spec else {}
    for name, terms in (found | asked).items():
        yield (pods, name), json.dumps(terms, sort_keys=True)
