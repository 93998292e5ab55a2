"""What a stage does to the cluster, object by object: values, which `cluster.write` carries out."""

from collections.abc import Mapping
from dataclasses import dataclass

from authz.controller.kinds import Document, Kind

Specs = tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class Put:
    """So it shall be, whether it is there or not. An annotation that is None goes.

    `was` are the specs that it may have by now, besides this one, if anybody may have one of that name.
    """

    kind: Kind
    document: Document
    was: Specs | None = None


@dataclass(frozen=True, slots=True)
class Remove:
    """It shall not be there. `was` are the specs that it may have by now."""

    kind: Kind
    key: str
    was: Specs | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """The APIRule's annotations, and nothing else of it."""

    key: str
    annotations: Mapping[str, str | None]


Write = Put | Remove | Mark
