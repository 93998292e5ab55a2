"""Cookies of a request: oauth2-proxy's, found for it and kept from the workload; one that carries a token.

Envoy joins the `Cookie` lines of HTTP/1 by a comma, so that what follows one may be a cookie too. Who picks
one of two cookies of a name may pick another than the next reader does: both are refused.
"""

import re
from collections.abc import Callable
from functools import lru_cache

from authz.core.reason import Reason, Refused

COOKIES_MAX_LENGTH = 32_768  # of a session: eight parts of 4 kB; Envoy's limit for all headers is 60 KiB
_is_value = re.compile(r"[\x21\x23-\x2B\x2D-\x3A\x3C-\x5B\x5D-\x7E]*").fullmatch  # RFC 6265bis 4.1.1

NAMES_MAX = 256  # sets of names compiled; there is one for each host


def session(header: str, name: str) -> str | None:
    """The cookie of this name, or its parts `NAME_0`, `NAME_1`…, as a `Cookie` header of its own.

    Raises Refused: CREDENTIAL_AMBIGUOUS or TOKEN_TOO_LONG.
    """
    if name not in header:
        return None
    found: dict[str, str] = {}
    for before, named, value in _own(name)(header):
        if before == "," or "," in value or named in found:
            raise Refused(Reason.CREDENTIAL_AMBIGUOUS)
        found[named] = value.strip(" \t")
    text = "; ".join([f"{named}={value}" for named, value in found.items() if _is_value(value)])
    if len(text) > COOKIES_MAX_LENGTH:
        raise Refused(Reason.TOKEN_TOO_LONG)
    return text or None


def single(header: str, name: str) -> str | None:
    """The value of the one cookie of this name. Raises Refused(CREDENTIAL_AMBIGUOUS)."""
    if name not in header:
        return None
    found = _named(name)(header)
    if len(found) > 1 or any(before == "," or "," in value for before, value in found):
        raise Refused(Reason.CREDENTIAL_AMBIGUOUS)
    return found[0][1].strip(" \t") if found else None


def without(header: str, names: tuple[str, ...]) -> str:
    """The header without the cookies of these sessions and of their logins; empty if nothing is left."""
    return _others(names)("", header).strip("; \t")


@lru_cache(NAMES_MAX)
def _own(name: str) -> Callable[[str], list[tuple[str, str, str]]]:
    """What stands before each, its name, its value. oauth2-proxy splits what is longer than 4 kB."""
    own = re.escape(name) + "(?:_[0-9]{1,2})?"
    return re.compile(rf"(\A|[;,])[ \t]*({own})[ \t]*(?=[=;,]|\Z)=?([^;]*)").findall


@lru_cache(NAMES_MAX)
def _named(name: str) -> Callable[[str], list[tuple[str, str]]]:
    """What stands before each, and its value."""
    return re.compile(rf"(\A|[;,])[ \t]*{re.escape(name)}[ \t]*(?=[=;,]|\Z)=?([^;]*)").findall


@lru_cache(NAMES_MAX)
def _others(names: tuple[str, ...]) -> Callable[[str, str], str]:
    """Takes away also those of a login that is under way: `NAME_csrf`, `NAME_STATE_csrf` in base64url.

    With one that has a comma before it, all from the last semicolon on goes.
    """
    own = f"(?:{'|'.join(map(re.escape, names))})(?:_[0-9]{{1,2}}|(?:_[A-Za-z0-9_-]+)?_csrf)?"
    return re.compile(rf"(?:\A|;)(?:[^;]*,)?[ \t]*{own}[ \t]*(?:[=,][^;]*)?(?=;|\Z)").sub
