"""A mesh as the configuration has it unless told otherwise, for the tests of this folder."""

from collections.abc import Iterable
from typing import Any

from authz.config import Istio
from authz.istio import cluster
from authz.istio.cluster import Cluster, Settings

SETTINGS = Settings(**Istio().model_dump())


def known(
    documents: Iterable[dict[str, Any]], authorizers: Iterable[str] = (), headers: Iterable[str] = ()
) -> Cluster:
    """Of documents without a mistake."""
    found, problems = cluster.parse(documents, authorizers, headers, SETTINGS)
    assert problems == ()
    return found
