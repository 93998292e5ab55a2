"""A bounded memory in two generations: what was used lately stays, the rest falls away.

It holds results that can not become wrong (a verified signature is timeless), never a decision.
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

V = TypeVar("V")


class Memo(Generic[V]):
    """Entries of at most `limit` together, each weighing what `put` is told.

    When the young half is full it becomes the old one, which is dropped.
    """

    def __init__(self, limit: int) -> None:
        self._half = limit // 2
        self._weight = 0
        self._young: dict[Hashable, tuple[V, int]] = {}
        self._old: dict[Hashable, tuple[V, int]] = {}

    def get(self, key: Hashable) -> V | None:
        """The value, renewed by being asked for."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, *found)
        return found[0] if found else None

    def put(self, key: Hashable, value: V, weight: int = 1) -> None:
        """Remember it among the young, unless it is heavier than they may be together."""
        if weight > self._half:
            return
        if self._weight + weight > self._half:
            self._old, self._young, self._weight = self._young, {}, 0
        self._young[key] = (value, weight)
        self._weight += weight

    def __len__(self) -> int:
        return len(self._young | self._old)
