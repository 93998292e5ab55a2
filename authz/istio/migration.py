"""How far an APIRule has come from ORY, as its annotations say: what is made of it until it is there.

`authz migrate` writes the annotations, step by step; nothing here opens what the APIRule does not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

GROUP = "gateway.kyma-project.io"
PREFIX = f"{GROUP}/migration-"
STAGE, ROUTES = f"{PREFIX}stage", f"{PREFIX}routes"

_UNKNOWN = "must be one of {}"
_STAGELESS = f"is of no use without {STAGE}"
_ELSEWHERE = "must be VirtualServices of namespace {}, with commas between"


class Stage(StrEnum):
    """Which of its objects stand: none before GUARD, all but the VirtualService there."""

    PREPARE = "prepare"
    SHADOW = "shadow"
    GUARD = "guard"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Migration:
    """`routes` are VirtualServices, `namespace/name`, that served its hosts before, and may still."""

    stage: Stage
    routes: frozenset[str] = frozenset()


def ours(annotations: object) -> object:
    """Of an object's annotations these alone are kept: others may be long."""
    found = annotations if isinstance(annotations, Mapping) else {}
    return {name: value for name, value in found.items() if str(name).startswith(PREFIX)}


def read(annotations: Mapping[str, str], namespace: str) -> Migration | None:
    """None for one that is there. Raises LookupError, with the annotation and what is wrong with it."""
    if STAGE not in annotations:
        if ROUTES in annotations:
            raise LookupError(ROUTES, _STAGELESS)
        return None
    if annotations[STAGE] not in [*Stage]:
        raise LookupError(STAGE, _UNKNOWN.format(", ".join(Stage)))
    routes = frozenset(filter(None, annotations.get(ROUTES, "").split(",")))
    if any(route.partition("/")[0] != namespace for route in routes):
        # Whoever may write an APIRule could else join a host that others serve.
        raise LookupError(ROUTES, _ELSEWHERE.format(namespace))
    return Migration(Stage(annotations[STAGE]), routes)


def standing(moving: Migration | None, made: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """What of its objects stands already."""
    match moving:
        case Migration(stage=Stage.PREPARE | Stage.SHADOW):
            return ()
        case Migration(stage=Stage.GUARD):
            return tuple(one for one in made if one["kind"] != "VirtualService")
        case _:
            return tuple(made)
