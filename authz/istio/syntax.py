"""The single values of an APIRule, each checked by itself: hosts, paths, issuers.

Every function returns the value or raises ValueError with the text that its author will read.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import NoReturn, Protocol, TypeVar
from urllib.parse import urlsplit

T = TypeVar("T")

HOST_MAX_LENGTH = 255  # RFC 1035 2.3.4
# Every two rules of an APIRule are compared, segment by segment, and every template is compiled:
# at these limits that takes a fifth of a second. An HTTPRoute of the Gateway API holds 128 matches.
RULES_MAX = 200
TEXT_MAX_LENGTH = 2_048  # characters of any other value, as browsers allow for a URL at least
WORD_MAX_LENGTH = 256  # characters of a header or cookie's name; none in use comes near
URI_MAX_LENGTH = 1_024  # characters; with more, the API server finds the rules for them too costly
URIS_MAX = 1_024  # issuers and their keys, remembered: rules share them

# These are RE2 and Python's alike: the API server checks them too (`cel`).
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
GATEWAY = rf"{LABEL}/{LABEL}"
FQDN = rf"(?:\*\.)?(?:{LABEL}\.)+[a-z0-9]{{2,63}}"

NOT_A_NAME = "must be lower-case letters, digits and - (an RFC 1123 label)"
NOT_A_HOST = "Host must be a valid FQDN or short host name"
NOT_A_GATEWAY = "Gateway must be in the namespace/name format"
NO_EXTERNAL_GATEWAY = "externalGateway is not supported: name an Istio Gateway in gateway"
HOST_TWICE = "Each host may be listed once"
NOT_AN_ISSUER = "must be the tokens' issuer: no spaces, no *, and a URI if there is a colon in it"
NO_KEYS = "must be the http:// or https:// address of the issuer's keys"
WILDCARD = "may not start or end with *: Istio reads it as a wildcard"
NO_AUTHORIZATION = "authorization is empty"
ONE_ACCESS = "One of the following fields must be set: noAuth, jwt, extAuth"
ONE_ORIGIN = "must have exactly one of exact, prefix and regex"
SERVICELESS = "The rule must define a service, because no service is defined on spec level"
LONG_NAME = "The name must have 63 characters at most, for it becomes a label"
MIXTURE = "mixture of multiple fromHeaders and fromParams is not supported"

_name = re.compile(LABEL).fullmatch
_subdomain = re.compile(rf"{LABEL}(?:\.{LABEL})*").fullmatch
_gateway = re.compile(GATEWAY).fullmatch
_fqdn = re.compile(FQDN).fullmatch


class _Source(Protocol):
    @property
    def from_headers(self) -> tuple[object, ...]: ...
    @property
    def from_params(self) -> tuple[str, ...]: ...


def name(value: str) -> str:
    """A namespace: RFC 1123 label."""
    return _must(_name, value, NOT_A_NAME)


def subdomain(value: str) -> str:
    """A name of an object: RFC 1123 subdomain."""
    return _must(_subdomain, value, "must be lower-case letters, digits, - and . (an RFC 1123 subdomain)")


def host(value: str) -> str:
    """A name, a short name for the gateway's domain to follow, or `*.` and a name."""
    if len(value) > HOST_MAX_LENGTH or not (is_short(value) or _fqdn(value)):
        raise ValueError(NOT_A_HOST)
    return value


def is_short(host: str) -> bool:
    """True for a host of one label, which the gateway's domain completes."""
    return _name(host) is not None


def is_full(host: str) -> bool:
    """True for a host that can stand by itself."""
    return len(host) <= HOST_MAX_LENGTH and _fqdn(host) is not None


def at_most(count: int) -> Callable[[object], object]:
    """Checked before the entries are, for there may be a million."""

    def check(value: object) -> object:
        if isinstance(value, (list, tuple, dict)) and len(value) > count:
            raise ValueError(f"must have {count} entries at most, not {len(value):,}")
        return value

    return check


def methods(values: tuple[str, ...]) -> tuple[str, ...]:
    """At least one, each once."""
    if not values:
        raise ValueError("No methods defined")
    return tuple(dict.fromkeys(values))


def hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    """At least one, each once."""
    if not values:
        raise ValueError("No hosts defined")
    if len(set(values)) < len(values):
        raise ValueError(HOST_TWICE)
    return values


def gateway(value: str) -> str:
    """Namespace and name of an Istio Gateway."""
    return _must(_gateway, value, NOT_A_GATEWAY)


def external_gateway(_: object) -> NoReturn:
    """Kyma's way to a gateway that it sets up itself."""
    raise ValueError(NO_EXTERNAL_GATEWAY)


def timestamp(value: object) -> object:
    """A YAML reader may have made a datetime of it."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value


def issuer(value: str) -> str:
    """RFC 7519 4.1.1: a string, and a URI if it has a colon. Istio reads `*` as a wildcard."""
    if not value or re.search(r"[\s*]", value) or (":" in value and not _is_uri(value)):
        raise ValueError(NOT_AN_ISSUER)
    return value


def jwks_uri(value: str) -> str:
    """Where Istio and the authorizer fetch the keys."""
    if not value.startswith(("http://", "https://")) or not _is_uri(value) or not _has_host(value):
        raise ValueError(NO_KEYS)
    return value


def claims(kind: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """Scopes or audiences: at least one where the list is written, none empty, none a wildcard."""

    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError(f"must list at least one {kind}, or be left out")
        if not all(values):
            raise ValueError(f"{kind} value is empty")
        if any(value.startswith("*") or value.endswith("*") for value in values):
            raise ValueError(f"{kind} {WILDCARD}")
        return values

    return check


def some(message: str) -> Callable[[tuple[T, ...]], tuple[T, ...]]:
    """At least one where the list is written."""

    def check(values: tuple[T, ...]) -> tuple[T, ...]:
        if not values:
            raise ValueError(message)
        return values

    return check


def at_most_one(field: str) -> Callable[[tuple[T, ...]], tuple[T, ...]]:
    """Kyma allows one place of a kind."""

    def check(values: tuple[T, ...]) -> tuple[T, ...]:
        if len(values) > 1:
            raise ValueError(f"multiple {field} are not supported")
        return values

    return check


S = TypeVar("S", bound=_Source)


def sources(values: tuple[S, ...]) -> tuple[S, ...]:
    """At least one issuer; tokens come in headers or in parameters, not in both."""
    if not values:
        raise ValueError("A JWT config must have at least one authentication")
    if any(value.from_headers for value in values) and any(value.from_params for value in values):
        raise ValueError(MIXTURE)
    return values


def _must(matches: Callable[[str], object], value: str, message: str) -> str:
    if not matches(value):
        raise ValueError(message)
    return value


@lru_cache(URIS_MAX)
def _is_uri(value: str) -> bool:
    try:
        return bool(urlsplit(value).scheme) and re.search(r"\s", value) is None
    except ValueError:
        return False


def _has_host(uri: str) -> bool:
    """Also true to its port: Istio's webhook refuses one that is no number."""
    try:
        return bool(urlsplit(uri).hostname) and urlsplit(uri).port != 0
    except ValueError:
        return False
