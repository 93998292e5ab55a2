"""A bounded memory in two generations: what was used lately stays, the rest falls away.

It holds results that can not become wrong (a verified signature is timeless), never a decision.
"""

from typing import Generic, TypeVar

V = TypeVar("V")


class Memo(Generic[V]):
    """At most `limit` entries: when the young half is full it becomes the old one, which is dropped."""

    def __init__(self, limit: int) -> None:
        self._half = max(1, limit // 2)
        self._young: dict[bytes, V] = {}
        self._old: dict[bytes, V] = {}

    def get(self, key: bytes) -> V | None:
        """The value, renewed by being asked for."""
        found = self._young.get(key)
        if found is None and (found := self._old.get(key)) is not None:
            self.put(key, found)
        return found

    def put(self, key: bytes, value: V) -> None:
        """Remember it among the young."""
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[key] = value

    def __len__(self) -> int:
        return len(self._young | self._old)
