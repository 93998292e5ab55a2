"""One request as the authorizer sees it, whatever carried it.

Built by `server.wire` from Envoy's CheckRequest; it holds raw values, nothing is normalised here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """`path` has no query; `query` no `?`; header names are lower-case; duplicates are comma-joined.

    `host` is the raw authority with its port (Envoy: attributes.request.http.host).
    """

    method: str
    host: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    id: str = ""
