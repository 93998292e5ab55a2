"""A signed JWT in compact form (RFC 7515, RFC 7519): reading it strictly, and its signature.

What it claims is judged in `claims`; here nothing depends on the time, so a result may be remembered.
"""

import json
import re
from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

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
    try:
        valid = _algorithms[algorithm].verify(signed.encode(), _decode(signature), key.public)
    except (JoseError, ValueError) as error:
        raise Refused(Reason.SIGNATURE_INVALID) from error
    if not valid:
        raise Refused(Reason.SIGNATURE_INVALID)


def _object(part: str) -> Mapping[str, Any]:
    try:
        value = json.loads(_decode(part), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(Reason.TOKEN_MALFORMED) from error
    if not isinstance(value, dict):
        raise Refused(Reason.TOKEN_MALFORMED)
    return value


def _decode(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except Base64Error as error:
        raise Refused(Reason.TOKEN_MALFORMED) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """RFC 7519 4: duplicate names are refused, for two readers could take two different values."""
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate name")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
