"""What a stage does to the cluster, object by object: values, which `cluster.write` carries out."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.controller.kinds import Document, Kind

Specs = tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class At:
    """An APIRule, and the stages that its annotation may say at the moment of a write."""

    key: str
    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """So it shall be, whether it is there or not. An annotation that is None goes.

    `was` are the specs that it may have by now, besides this one, if anybody may have one of that name.
    """

    kind: Kind
    document: Document
    was: Specs | None = None
    at: At | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """It shall not be there. `was` are the specs that it may have by now."""

    kind: Kind
    key: str
    was: Specs | None = None
    at: At | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The APIRule's annotations, and nothing else of it. `was` is the stage that they say so far."""

    key: str
    annotations: Mapping[str, str | None]
    was: str


@dataclass(frozen=True, slots=True)
class Still:
    """So it is, or nothing that follows is done: somebody else may have gone another way meanwhile."""

    kind: Kind
    document: Document


Write = Put | Remove | Mark | Still
