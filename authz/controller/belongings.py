"""Which objects in the cluster each APIRule has, and how each of them shall be.

What is as it shall be is no news: the events that our own writes cause wake nobody.
"""

from collections.abc import Iterable

from authz.controller import held, kinds
from authz.controller.held import Object
from authz.istio.translate import Resource

Id = tuple[str, str]


class Belongings:
    """By owner, `namespace/name`."""

    def __init__(self) -> None:
        self._owned: dict[str, dict[Id, Object]] = {}
        self._expected: dict[Id, int] = {}

    @property
    def owners(self) -> set[str]:
        """Who has any."""
        return set(self._owned)

    def of(self, owner: str) -> dict[Id, Object]:
        """All that it has."""
        return dict(self._owned.get(owner, {}))

    def expect(self, desired: Iterable[Resource]) -> None:
        """These are how they shall be."""
        for resource in desired:
            self._expected[resource["kind"], kinds.key(resource)] = hash(held.content(resource))

    def gone(self, id_: Id) -> None:
        """We take it away."""
        self._expected.pop(id_, None)

    def changed(self, old: Object | None, new: Object | None) -> set[str]:
        """Whom it concerns."""
        if old and (new is None or new.owner != old.owner):
            self._forget(old)
        if new:
            self._owned.setdefault(new.owner, {})[new.id] = new
        owners = {one.owner for one in (old, new) if one}
        return set() if self._is_expected(old, new) else owners

    def _is_expected(self, old: Object | None, new: Object | None) -> bool:
        if new:
            return not new.deleting and self._expected.get(new.id) == hash(new.content)
        return old is None or old.id not in self._expected

    def _forget(self, one: Object) -> None:
        owned = self._owned.get(one.owner, {})
        owned.pop(one.id, None)
        if not owned:
            self._owned.pop(one.owner, None)
