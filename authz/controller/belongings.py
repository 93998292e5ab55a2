"""Which objects in the cluster each APIRule has, and how each of them shall be.

What is as it shall be is no news: the events that our own writes cause wake nobody.
"""

from collections.abc import Iterable

from authz.controller import held, kinds
from authz.controller.held import Object
from authz.controller.kinds import VIRTUAL_SERVICES
from authz.istio.translate import Resource

Id = tuple[str, str]


class Belongings:
    """By owner, `namespace/name`."""

    def __init__(self) -> None:
        self._owned: dict[str, dict[Id, Object]] = {}
        self._expected: dict[Id, int] = {}
        self._guards: dict[str, tuple[Id, ...]] = {}

    @property
    def owners(self) -> set[str]:
        """Who has any."""
        return set(self._owned)

    def of(self, owner: str) -> dict[Id, Object]:
        """All that it has."""
        return dict(self._owned.get(owner, {}))

    def expect(self, owner: str, desired: Iterable[Resource]) -> None:
        """These are how its objects shall be."""
        ids = {(resource["kind"], kinds.key(resource)): hash(held.content(resource)) for resource in desired}
        self._expected.update(ids)
        self._guards[owner] = tuple(id_ for id_ in ids if id_[0] != VIRTUAL_SERVICES.name)

    def adopt(self, owner: str) -> None:
        """After a restart nobody can tell how its guards were wanted: as they are, if nobody has said."""
        if owner not in self._guards and (owned := self._owned.get(owner)):
            guards = [one for one in owned.values() if one.kind != VIRTUAL_SERVICES.name]
            self._expected |= {one.id: hash(one.content) for one in guards}
            self._guards[owner] = tuple(one.id for one in guards)

    def are_guarded(self, owner: str) -> bool:
        """True unless a guard, as it was last wanted, is not there or is another."""
        owned = self._owned.get(owner, {})
        return all(
            (one := owned.get(id_)) is not None and self._is_expected(None, one)
            for id_ in self._guards.get(owner, ())
        )

    def gone(self, id_: Id) -> None:
        """We take it away."""
        self._expected.pop(id_, None)

    def changed(self, old: Object | None, new: Object | None) -> set[str]:
        """Whom it concerns."""
        if old and (new is None or new.owner != old.owner):
            self._forget(old)
        if new and new.owner:
            self._owned.setdefault(new.owner, {})[new.id] = new
        owners = {one.owner for one in (old, new) if one and one.owner}
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
            self._guards.pop(one.owner, None)
