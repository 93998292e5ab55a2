"""Whether one rule asks less of callers than another: deciding in place of the other it would open a path."""

from collections.abc import Iterator, Mapping
from typing import Any

from authz.migrate.conversion.model.access import Way
from authz.migrate.conversion.model.made import Made


def asks_less(one: Made, other: Made) -> bool:
    """True if somebody may pass by `one` whom `other` refused, as far as can be told."""
    if one.is_shut or other.is_public:
        return False
    if other.is_shut or one.is_public or (one.anonymous is not None and other.anonymous is None):
        return True
    return not all(way in other.ways or _is_among(way, other) for way in one.ways)


def _is_among(way: Way, other: Made) -> bool:
    """Each credential that it takes is one of the other's, with as many scopes at least."""
    theirs = [entry for one in other.ways for entry in _entries(one)]
    return bool(way.accept) and all(
        any(kind == also and _asks_as_much(said, asked) for also, asked in theirs)
        for kind, said in _entries(way)
    )


def _entries(way: Way) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return (entry for accept in way.accept for entry in accept.items())


def _asks_as_much(said: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    names = (said.keys() | asked.keys()) - {"scopes", "scopeStrategy"}
    if any(said.get(name) != asked.get(name) for name in names):
        return False
    wanted = set(asked.get("scopes", ()))
    is_same_way = said.get("scopeStrategy") == asked.get("scopeStrategy")
    return not wanted or (is_same_way and wanted <= set(said.get("scopes", ())))
