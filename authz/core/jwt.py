"""A signed JWT in compact form (RFC 7515, RFC 7519): reading it strictly, and its signature.

What it claims is judged in `claims`; here nothing depends on the time, so a result may be remembered.
"""

import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.jws import JWSRegistry

from authz.core import strict
from authz.core.keys import Key
from authz.core.reason import Reason, Refused
from authz.core.token import Token

_base64url = re.compile(r"[A-Za-z0-9_-]*").fullmatch
_algorithms = JWSRegistry.algorithms

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
    parts = token.text.split(".")
    if len(parts) != 3 or not all(map(_base64url, parts)):
        raise Refused(Reason.TOKEN_MALFORMED)
    header, claims = _object(parts[0]), _object(parts[1])
    algorithm, kid, kind = header.get("alg"), header.get("kid", ""), header.get("typ", "JWT")
    if not (isinstance(algorithm, str) and isinstance(kid, str) and isinstance(kind, str)):
        raise Refused(Reason.TOKEN_MALFORMED)
    if _REFUSED_HEADERS & header.keys():
        raise Refused(Reason.TOKEN_MALFORMED)
    return Jws(algorithm, kid, kind, claims)


def verify(token: Token, algorithm: str, key: Key) -> None:
    """Raises Refused(SIGNATURE_INVALID) unless `key` made the signature with `algorithm`."""
    if algorithm not in key.algorithms:
        raise Refused(Reason.SIGNATURE_INVALID)
    signed, _, signature = token.text.rpartition(".")
    if not _algorithms[algorithm].verify(signed.encode(), _decode(signature), key.public):
        raise Refused(Reason.SIGNATURE_INVALID)


def _object(part: str) -> Mapping[str, Any]:
    try:
        return strict.read(_decode(part))
    except ValueError as error:
        raise Refused(Reason.TOKEN_MALFORMED) from error


def _decode(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except Base64Error as error:
        raise Refused(Reason.TOKEN_MALFORMED) from error
