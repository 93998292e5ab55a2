"""A cluster without a server: objects go straight to what the controller knows, and its writes too.

For what depends on who is there and who came first; the real API server is asked in the slow tests.
"""

import itertools
from typing import Any

from authz.controller import exposure, facts, waits
from authz.controller.kinds import Document
from authz.controller.plan import Apply, Delete, plan
from authz.controller.reconcile import Reconciler
from authz.controller.world import World
from authz.istio import policy
from authz.istio.cluster import Settings
from authz.istio.problem import Invalid
from authz.server.authorizers import authorizers_of
from authz.server.ruleset import mesh_of
from tests.controller.clusters import SETTINGS, gateway, mesh, service
from tests.controller.fakes import FakeApi

YEARS = "20{}-01-01T00:00:00Z"


class Alone:
    """One controller's world. `run` reconciles whoever is concerned, and gives what came of each."""

    def __init__(self, settings: Settings | None = None) -> None:
        authorizers = authorizers_of(SETTINGS)
        self.concerned: list[str] = []
        headers = policy.identity_headers(authorizers.values())
        self.world = World(settings or mesh_of(SETTINGS), authorizers, headers, self.concerned.append)
        self.reconciler = Reconciler(FakeApi(), self.world, None, None, lambda: 0.0)  # type: ignore[arg-type]
        self._versions = itertools.count(1)
        for document in (gateway(), mesh(), service("s1", {"app": "one"}), service("s2", {"app": "two"})):
            self.put(document)

    def put(self, document: Document, year: int = 26, generation: int = 1, **metadata: Any) -> None:
        own = document["metadata"]
        stamped = {
            "resourceVersion": str(next(self._versions)),
            "uid": f"{own['namespace']}/{own['name']}",
            "generation": generation,
            "creationTimestamp": YEARS.format(year),
        }
        store = next(store for kind, store in self.world.stores.items() if kind.name == document["kind"])
        store.put(document | {"metadata": own | stamped | metadata})

    def run(self) -> dict[str, str]:
        """`done`, or why not."""
        outcomes: dict[str, str] = {}
        for key in iter(lambda: self.concerned.pop(0) if self.concerned else None, None):
            if (rule := self.world.rules.known.get(key)) and not rule.deleting:
                outcomes[key] = self._reconcile(key)
        return outcomes

    def _reconcile(self, key: str) -> str:
        rule = self.world.rules.known[key]
        try:
            desired = facts.gather(rule, self.world).translated
        except Invalid as invalid:
            self.world.unguided[key] = frozenset([key])
            for route in exposure.routes(key, self.world) if exposure.is_exposed(key, self.world) else ():
                self.world.virtual_services.forget(route.key)
            return "; ".join(map(str, invalid.problems))
        if blocker := waits.to_route(key, desired, self.world):
            return blocker
        self.world.belongings.expect(key, desired)
        for step in itertools.chain.from_iterable(plan(desired, self.world.actual(key, desired))):
            match step:
                case Apply(resource=resource):
                    self.put(resource)
                case Delete(id=(kind, name)):
                    self.world.store(kind).forget(name)
        return "done"


def of(namespace: str, document: Document) -> Document:
    """The same in another namespace."""
    return document | {"metadata": document["metadata"] | {"namespace": namespace}}
