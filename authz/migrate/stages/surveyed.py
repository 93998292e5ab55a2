"""The objects of a cluster as they were read, and what they will be together with new APIRules.

Pure: documents in, values out.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from authz.config import Config
from authz.controller.kinds import Document, key
from authz.istio import cluster, policy
from authz.istio.cluster import Cluster
from authz.migrate.old import kinds
from authz.server.authorizers import authorizers_of
from authz.server.ruleset import mesh_of


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything that was read, and the configuration."""

    documents: tuple[Document, ...]
    settings: Config

    def of(self, kind: str) -> Iterator[Document]:
        """All of a kind."""
        return (one for one in self.documents if one["kind"] == kind)

    def find(self, kind: str, name: str) -> Document | None:
        """By `namespace/name`."""
        return next((one for one in self.of(kind) if key(one) == name), None)

    def around(self, wanted: Iterable[Document]) -> Cluster:
        """As it will be when these APIRules are there."""
        new = {key(one): one for one in wanted}
        kept = [one for one in self.documents if one["kind"] != "APIRule" or key(one) not in new]
        authorizers = authorizers_of(self.settings)
        headers = policy.identity_headers(authorizers.values())
        found, _ = cluster.parse([*kept, *new.values()], authorizers, headers, mesh_of(self.settings))
        return found


def owner(document: Document) -> str:
    """The APIRule, `namespace/name`, that Kyma's labels or ours name; "/" for none."""
    return kinds.owner(document) or "/"
