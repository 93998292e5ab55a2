"""A signed JWT in compact form (RFC 7515, RFC 7519): reading it strictly, and its signature.

What it claims is judged in `claims`; here nothing depends on the time, so a result may be remembered.
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from joserfc.jws import JWSRegistry

from authz.core import strict
from authz.core.keys import Key
from authz.core.reason import Reason, Refused
from authz.core.token import Token

HEADERS_MAX = 256  # remembered: all tokens under one key begin with the same
HEADER_MAX_LENGTH = 512  # of one that is remembered

_compact = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*").fullmatch
_algorithms = JWSRegistry.algorithms
_STANDARD = bytes.maketrans(b"-_", b"+/")  # RFC 4648 5

# RFC 7515 4.1.11, RFC 7516 4.1, RFC 8725 3.6: extensions, encryption and compression are not spoken.
_REFUSED_HEADERS = frozenset({"crit", "enc", "zip", "b64"})


@dataclass(frozen=True, slots=True)
class Jws:
    """A token taken apart: header and claims as sent, not to be trusted before `verify`."""

    algorithm: str
    kid: str
    kind: str
    claims: Mapping[str, Any]


def parse(token: Token) -> Jws:
    """Raises Refused(TOKEN_MALFORMED) for anything but three strict parts around two JSON objects."""
    parts = _compact(token.text)
    if parts is None:
        raise Refused(Reason.TOKEN_MALFORMED)
    header, claims = parts.groups()
    read = _remembered if len(header) <= HEADER_MAX_LENGTH else _header
    return Jws(*read(header), _object(claims))


def verify(token: Token, algorithm: str, key: Key) -> None:
    """Raises Refused(SIGNATURE_INVALID) unless `key` made the signature with `algorithm`."""
    if algorithm not in key.algorithms:
        raise Refused(Reason.SIGNATURE_INVALID)
    signed, _, signature = token.text.rpartition(".")
    if not _algorithms[algorithm].verify(signed.encode(), _decode(signature), key.public):
        raise Refused(Reason.SIGNATURE_INVALID)


def _header(part: str) -> tuple[str, str, str]:
    """Algorithm, key id and type."""
    header = _object(part)
    algorithm, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "JWT")
    if not (isinstance(algorithm, str) and isinstance(kid, str) and isinstance(kind, str)):
        raise Refused(Reason.TOKEN_MALFORMED)
    if not _REFUSED_HEADERS.isdisjoint(header):
        raise Refused(Reason.TOKEN_MALFORMED)
    return algorithm, kid, kind


_remembered = lru_cache(HEADERS_MAX)(_header)


def _object(part: str) -> Mapping[str, Any]:
    try:
        return strict.read(_decode(part))
    except ValueError as error:
        raise Refused(Reason.TOKEN_MALFORMED) from error


def _decode(part: str) -> bytes:
    try:
        return a2b_base64(part.encode().translate(_STANDARD) + b"=" * (-len(part) % 4))
    except Base64Error as error:
        raise Refused(Reason.TOKEN_MALFORMED) from error
