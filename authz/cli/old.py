"""Reading the old world for the verbs of `authz migrate`: files, standard input, a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from authz.cli import options

if TYPE_CHECKING:
    from authz.migrate.old.rule import Settings, World


def world(
    files: Iterable[str], *, cluster: bool = False, settings: Settings | None = None
) -> tuple[World, list[str]]:
    """What is there, and what could not be read."""
    from authz.migrate.old import files as sources
    from authz.migrate.old import in_cluster, reading

    found, problems = sources.read(files)
    if cluster:
        there, missing = asyncio.run(in_cluster.read())
        found, problems = [*found, *there], [*problems, *missing]
    return reading.read(found, settings), problems


def settings(file: Path | None) -> Settings | None:
    """Of Oathkeeper's own configuration, if it is given."""
    from authz.migrate.old import files as sources
    from authz.migrate.old import kinds

    if file is None:
        return None
    found, problems = sources.read([str(file)])
    bodies = [body for _, body in found if isinstance(body, dict)]
    options.fail_on(problems or ([] if len(bodies) == 1 else [f"{file}: one document is expected"]))
    if not kinds.is_settings(bodies[0]):  # an old rule would be read by other settings than Oathkeeper's
        options.fail_on([f"{file}: it is no config.yaml of Oathkeeper; of a ConfigMap, take the text in it"])
    return kinds.settings(str(file), bodies[0])
