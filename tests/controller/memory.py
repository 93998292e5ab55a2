"""An API server in memory, and a controller whose watches hear of everything at once.

For what depends on the order of events: whole histories take milliseconds. Where its answers are not
Kubernetes', the slow tests would tell.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from authz.controller import kinds
from authz.controller.api import Api, Refused
from authz.controller.events import Events
from authz.controller.kinds import Document, Kind
from authz.controller.reconcile import Reconciler
from authz.controller.status import Verdict, Waiting
from authz.controller.telemetry import Telemetry
from authz.controller.watch import Store
from authz.controller.world import World
from authz.istio import policy
from authz.server.authorizers import authorizers_of
from authz.server.ruleset import mesh_of
from tests.controller.clusters import SETTINGS

# ruff: noqa: ARG002 - it takes what its parent takes

ROUNDS_MAX = 20  # until nobody waits for another any more
RUNS_MAX = 100

Id = tuple[str, str]


class Memory(Api):
    """Objects by kind and key; `heard` are the worlds that are told of each change."""

    def __init__(self) -> None:  # not its parent's: nothing is connected
        self.documents: dict[Id, Document] = {}
        self.heard: list[World] = []
        self.writes: list[tuple[str, str, str]] = []
        self._applied: dict[Id, Document] = {}
        self._version = 0

    def copied(self) -> "Memory":
        """Another one, which goes its own way from here."""
        other = Memory()
        other.documents |= self.documents
        other._applied |= self._applied
        other._version = self._version
        return other

    def put(self, document: Document, year: int = 26, **metadata: Any) -> None:
        """Somebody writes it: a new generation if its spec is another."""
        id_ = document["kind"], kinds.key(document)
        old = self.documents.get(id_, {"metadata": {}})
        same = old.get("spec") == document.get("spec")
        generation = old["metadata"].get("generation", 0) + (0 if same else 1)
        known = {
            "uid": str(self._version),
            "creationTimestamp": f"20{year}-01-01T00:00:00Z",
            "finalizers": [],
        } | {name: part for name, part in old["metadata"].items() if name not in ("annotations", "labels")}
        stamped = known | document["metadata"] | {"generation": generation} | metadata
        self._write(document | {"metadata": stamped, "status": old.get("status") or {}})

    def remove(self, kind: str, key: str) -> None:
        """Somebody deletes it: at once, or when its finalizers have gone."""
        document = self.documents.get((kind, key))
        if document and document["metadata"].get("finalizers"):
            self.put(document, deletionTimestamp="2026-02-01T00:00:00Z")
        elif document:
            self._forget(kind, key)

    def tell(self, world: World, among: Iterable[Document]) -> None:
        for document in among:
            kind, labels = document["kind"], document["metadata"].get("labels") or {}
            store = _store(world, kind)
            selected = next(one.labels for one in world.stores if one.name == kind)
            if selected and selected not in labels:  # so does a watch that selects by label
                store.drop(kinds.key(document), kinds.version(document))
            else:
                store.put(document)

    async def get(self, kind: Kind, key: str) -> Document:
        return self._found(kind, key)

    async def list(self, kind: Kind, query: Mapping[str, str]) -> Document:
        return {"items": []}

    async def apply(self, kind: Kind, document: Document) -> Document:
        id_ = kind.name, kinds.key(document)
        there = self.documents.get(id_, {"metadata": {"uid": str(self._version)}})
        made = _applied(there, self._applied.get(id_, {}), document)
        self._applied[id_] = document
        self.writes.append(("apply", *id_))
        return self._write(made)

    async def merge(self, kind: Kind, key: str, changes: Document, sub: str = "") -> Document:
        there = self._found(kind, key)
        version = changes.get("metadata", {}).get("resourceVersion")
        if version not in (None, there["metadata"]["resourceVersion"]):
            raise Refused(409, "it has changed")
        self.writes.append(("merge", kind.name, key))
        written = self._write(_merged(there, changes))
        if "deletionTimestamp" in written["metadata"] and not written["metadata"]["finalizers"]:
            self._forget(kind.name, key)
        return written

    async def delete(self, kind: Kind, key: str, version: str = "") -> Document:
        self._found(kind, key)
        self.writes.append(("delete", kind.name, key))
        self.remove(kind.name, key)
        return {}

    def _found(self, kind: Kind, key: str) -> Document:
        if (kind.name, key) not in self.documents:
            raise Refused(404, key)
        return self.documents[kind.name, key]

    def _forget(self, kind: str, key: str) -> None:
        self._version += 1
        del self.documents[kind, key]
        self._applied.pop((kind, key), None)
        for world in self.heard:
            _store(world, kind).drop(key, self._version)

    def _write(self, document: Document) -> Document:
        self._version += 1
        metadata = document["metadata"] | {"resourceVersion": str(self._version)}
        written = document | {"metadata": metadata}
        self.documents[written["kind"], kinds.key(written)] = written
        for world in self.heard:
            self.tell(world, [written])
        return written


class Steered:
    """A controller of a `Memory`, whose queue is run by hand."""

    def __init__(self, memory: Memory, among: Iterable[Document] = ()) -> None:
        authorizers = authorizers_of(SETTINGS)
        self.concerned: list[str] = []
        self.outcomes: dict[str, Verdict] = {}
        headers = policy.identity_headers(authorizers.values())
        self.world = World(mesh_of(SETTINGS), authorizers, headers, self.concerned.append)
        self._memory = memory
        clock = itertools.count(0, 100)  # no two writes are near enough to be a fight
        self._reconciler = Reconciler(
            memory, self.world, Telemetry(), Events(memory, lambda: True), lambda: float(next(clock))
        )
        memory.tell(self.world, among)
        memory.heard = [self.world]

    async def settle(self) -> dict[str, Verdict]:
        """Until nobody is concerned, and whoever waits would wait on: what came of each at last."""
        for _ in range(ROUNDS_MAX):
            self.concerned += [key for key, one in sorted(self.outcomes.items()) if isinstance(one, Waiting)]
            before, writes = dict(self.outcomes), len(self._memory.writes)
            await self._drain()
            if self.outcomes == before and len(self._memory.writes) == writes:
                return {key: one for key, one in before.items() if key in self.world.keys}
        raise AssertionError(f"it does not come to rest: {self.outcomes}")

    async def again(self) -> dict[str, Verdict]:
        """Everybody once more, as after a restart."""
        self.concerned[:] = sorted(self.world.keys)
        return await self.settle()

    async def _drain(self) -> None:
        for _ in range(RUNS_MAX):
            if not self.concerned:
                return
            key = self.concerned[0]
            self.concerned[:] = [other for other in self.concerned if other != key]
            try:
                self.outcomes[key] = await self._reconciler.reconcile(key)
            except Refused as refused:
                if refused.status != 409:
                    raise
                self.concerned.append(key)
        raise AssertionError(f"they wake each other without end: {self.concerned}")


def _store(world: World, kind: str) -> Store[Any]:
    return next(store for one, store in world.stores.items() if one.name == kind)


def _merged(there: Document, changes: Document) -> Document:
    """RFC 7396."""
    kept = {name: part for name, part in there.items() if name not in changes}
    return kept | {
        name: _merged(there.get(name) or {}, part) if isinstance(part, dict) else part
        for name, part in changes.items()
        if part is not None
    }


def _applied(there: Document, last: Document, new: Document) -> Document:
    """What was said before and is not now goes; what others have put there stays."""
    kept = {name: part for name, part in there.items() if name not in last and name not in new}
    return kept | {
        name: _applied(_mapping(there.get(name)), _mapping(last.get(name)), part)
        if isinstance(part, dict)
        else part
        for name, part in new.items()
    }


def _mapping(value: Any) -> Document:
    return value if isinstance(value, dict) else {}
