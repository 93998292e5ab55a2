"""Who the caller is, as the workload may be told: verified claims turned into header values.

A claim that can not become one header value without changing its meaning is refused, not mended.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from typing import Any

from authz.core.claims import ABSENT, Claims
from authz.core.reason import Reason, Refused

SUBJECTS_MAX = 256  # names of nobody: those of the configuration
HEADER_MAX_LENGTH = 8_192  # Envoy's limit for all headers together is 60 KiB

_unusable = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]|\A | \Z").search  # RFC 9110 5.5, and broken Unicode


class Caller:
    """Who was identified. The headers last made of the claims are kept, for who comes once comes again."""

    __slots__ = ("_headers", "_names", "claims")

    def __init__(self, claims: Claims) -> None:
        self.claims = claims
        self._names: Mapping[str, str] | None = None
        self._headers: Mapping[str, str] = {}

    def headers(self, names: Mapping[str, str]) -> Mapping[str, str]:
        """As `headers` below; `names` is known again by being the same object."""
        if names is not self._names:
            self._headers, self._names = headers(self.claims, names), names
        return self._headers


@lru_cache(SUBJECTS_MAX)
def nobody(subject: str) -> Caller:
    """Who shows no credential: always the same, by a name for the workload, if there is one."""
    return Caller(Claims(frozenset(), 0.0, inf, {"sub": subject} if subject else {}))


def headers(claims: Claims, names: Mapping[str, str]) -> dict[str, str]:
    """Header name to value, for each claim that says something. Raises Refused(IDENTITY_UNUSABLE).

    An empty one is none: a workload would take it for somebody without a name.
    """
    found = ((header, claims.get(claim)) for header, claim in names.items())
    told = {header: _value(claim) for header, claim in found if claim is not ABSENT}
    return told if all(told.values()) else {header: value for header, value in told.items() if value}


def _value(claim: Any) -> str:
    text = ",".join(map(_item, claim)) if isinstance(claim, list) else _scalar(claim)
    plain = text.isascii() and text.isprintable() and text[:1] != " " != text[-1:]  # nearly all are
    if len(text) > HEADER_MAX_LENGTH or not (plain or _unusable(text) is None):
        raise Refused(Reason.IDENTITY_UNUSABLE)
    return text


def _item(member: Any) -> str:
    """A comma within a member is encoded, or one group could pass for two."""
    return _scalar(member).replace("%", "%25").replace(",", "%2C")


def _scalar(claim: Any) -> str:
    match claim:
        case str():
            return claim
        case bool():
            return "true" if claim else "false"
        case int() | float():
            return str(claim)
        case _:
            raise Refused(Reason.IDENTITY_UNUSABLE)
