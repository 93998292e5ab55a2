"""Which pages of other origins may read an answer (the Fetch standard, CORS protocol), as Envoy decides it.

Envoy's cors filter comes after the authorizer: what the authorizer refuses has these headers from here.
Regular expressions are RE2's, as Envoy's are: linear in time, whatever an origin looks like.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import re2

from authz.core.request import Request

ORIGIN_MAX_LENGTH = 512  # scheme, a name of 255 (RFC 1035 2.3.4), port


_one = re.compile(r"[\x21-\x2B\x2D-\x7E]+").fullmatch  # visible, and not two joined by a comma


@dataclass(frozen=True, slots=True)
class Cors:
    """Origins to the letter, by their beginning, and by expressions for the whole of them."""

    exact: frozenset[str] = frozenset()
    prefixes: tuple[str, ...] = ()
    regexes: tuple[str, ...] = ()
    credentials: bool = False
    exposed: tuple[str, ...] = ()

    def admits(self, origin: str) -> bool:
        """Envoy's `isOriginAllowed`: what matches `*` matches all. Two origins are none."""
        if len(origin) > ORIGIN_MAX_LENGTH or not _one(origin):
            return False
        return self._matches(origin) or self._matches("*")

    def _matches(self, origin: str) -> bool:
        return (
            origin in self.exact
            or origin.startswith(self.prefixes)
            or any(re2.fullmatch(regex, origin) for regex in self.regexes)
        )


def is_preflight(request: Request) -> bool:
    """What Envoy's cors filter answers itself, if the origin is one of the policy's."""
    named = request.headers.get("origin") and request.headers.get("access-control-request-method")
    return request.method == "OPTIONS" and bool(named)


def headers(cors: Cors | None, request: Request) -> Iterable[tuple[str, str]]:
    """For an answer that is not the workload's."""
    if cors is None:
        return
    yield "vary", "origin"  # RFC 9110 12.5.5, also where this origin gets none
    origin = request.headers.get("origin", "")
    if not cors.admits(origin):
        return
    yield "access-control-allow-origin", origin
    if cors.credentials:
        yield "access-control-allow-credentials", "true"
    if cors.exposed:
        yield "access-control-expose-headers", ",".join(cors.exposed)
