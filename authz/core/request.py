"""One request as the authorizer sees it, whatever carried it.

Built by `server.wire` from Envoy's CheckRequest; it holds raw values, nothing is normalised here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Request(NamedTuple):
    """`path` has no query; `query` no `?`; header names are lower-case; duplicates are comma-joined.

    `host` is the raw authority with its port (Envoy: attributes.request.http.host). `told` is what Envoy's
    call itself says of its trace.
    A tuple, for one is made of every call and a frozen dataclass takes five times as long.
    """

    method: str
    host: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = MappingProxyType({})
    id: str = ""
    told: Mapping[str, str] = MappingProxyType({})

    def __repr__(self) -> str:
        """Without headers and query: they hold credentials."""
        return f"Request({self.method} {self.host}{self.path})"
