"""What a setting may be: a section of settings, a duration, an address, a name.

Each type says in one plain sentence what it expects; `config` is made of them.
"""

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic.alias_generators import to_camel

HYPHENS_MAX = 4  # every spelling with `_` is removed from requests: 2 to the power of this

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
# Those that stand in schemas as well are in the syntax that Python, RE2 and ECMA 262 share.
_DURATION = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)"
_HEADER_NAME = r"[a-z0-9!#$%&'*+.^`|~-]+"  # RFC 9110 5.6.2 without the underscore
_ADDRESS = r"unix:/.+|(?:\[[0-9a-fA-F:]+\]|[^:/\[\]]+):[0-9]{1,5}"
_PRINCIPAL = r"[^/]+/ns/[^/]+/sa/[^/]+"
_OBJECT_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?/[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"
_LABEL = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_duration = re.compile(_DURATION).fullmatch
_header_name = re.compile(_HEADER_NAME).fullmatch
_address = re.compile(_ADDRESS).fullmatch
# Names that Envoy refuses to set, or that would change the request itself.
_FORBIDDEN_HEADERS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "cookie", "authorization"}
    # What Envoy itself goes by later: without `origin` it would pass a preflight on to the workload.
    | {"origin", "access-control-request-method", "content-type", "x-request-id"}
    | {"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"}
)

_scope = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+").fullmatch  # RFC 6749 3.3: scope-token
_cookie_name = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+").fullmatch  # RFC 6265bis 4.1.1: a token
_parameter = re.compile(r"[A-Za-z0-9._~-]+").fullmatch  # what no browser encodes (RFC 3986 2.3)
_url = re.compile(r"https?://[^/?#@\s\\]+(?:/[^?#\s\\]*)?").fullmatch
_query = re.compile(r'[!"$-~]*').fullmatch  # visible ASCII, without the mark of a fragment
_path_prefix = re.compile(r"(?:/[A-Za-z0-9._~-]+)+").fullmatch


class Section(BaseModel):
    """Settings that stand together; one that is not known is a mistake."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


class OneOf(Section):
    """A choice: exactly one of its settings is there."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    def model_post_init(self, _: object) -> None:
        """None or two are a mistake."""
        given = [name for name in self.model_fields_set if getattr(self, name) is not None]
        if len(given) != 1 or len(self.model_fields_set) != 1:
            raise ValueError(f"exactly one is expected of: {', '.join(type(self).model_fields)}")


def _seconds(value: Any) -> float:
    match = _duration(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit, like 500ms, 30s, 5m or 1h")
    if not float(match[1]):
        raise ValueError("a duration is longer than nothing")
    return float(match[1]) * _UNITS_S[match[2]]


def duration(seconds: float) -> str:
    """As a person would write it: the largest unit that needs no fraction."""
    unit = next((unit for unit in ("h", "m", "s") if seconds % _UNITS_S[unit] == 0), "ms")
    return f"{seconds / _UNITS_S[unit]:g}{unit}"


def _is_address(value: str) -> str:
    port = value.rpartition(":")[2]
    if not _address(value) or (port.isdecimal() and int(port) > 65_535):
        raise ValueError("an address is HOST:PORT or unix:/path")
    return value


def _is_header(name: str) -> str:
    if not _header_name(name):
        raise ValueError("a header's name is in lower case, and without underscores")
    if name.count("-") > HYPHENS_MAX:
        raise ValueError(f"a header's name has at most {HYPHENS_MAX} hyphens")
    if name in _FORBIDDEN_HEADERS:
        raise ValueError(f"the header {name} has a meaning of its own")
    return name


def _is_principal(value: str) -> str:
    if not re.fullmatch(_PRINCIPAL, value):
        raise ValueError("a principal is TRUST-DOMAIN/ns/NAMESPACE/sa/SERVICE-ACCOUNT")
    return value


def _is_object_name(value: str) -> str:
    if not re.fullmatch(_OBJECT_NAME, value):
        raise ValueError("an object is named NAMESPACE/NAME")
    return value


def _is_label(value: str) -> str:
    if not re.fullmatch(_LABEL, value):
        raise ValueError("a name has lower-case letters, digits and inner hyphens, 63 at most")
    return value


def _is_url(value: str) -> str:
    if not _url(value) or not _has_port(value):
        raise ValueError("an address is http(s)://HOST[:PORT][/path], without user, query and fragment")
    return value


def _is_keys_url(value: str) -> str:
    """Some issuers tell their key sets apart by a query (Azure AD B2C). Empty: they are discovered."""
    address, _, query = value.partition("?")
    if value and not (_url(address) and _has_port(address) and _query(query)):
        raise ValueError("keys are at http(s)://HOST[:PORT][/path][?query], without user and fragment")
    return value


def _has_port(url: str) -> bool:
    """One that there can be, or none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


def _is_cookie_name(value: str) -> str:
    if not _cookie_name(value):
        raise ValueError("a cookie's name has letters, digits, and no spaces, commas, semicolons or =")
    return value


def _is_path_prefix(value: str) -> str:
    if not _path_prefix(value) or {".", ".."} & set(value.split("/")):
        raise ValueError("a prefix is like /oauth2: it begins with a slash and does not end with one")
    return value


def _is_parameter(value: str) -> str:
    if not _parameter(value):
        raise ValueError("a parameter's name has letters, digits and any of - . _ ~")
    return value


def _is_token_header(name: str) -> str:
    if name == "authorization":
        raise ValueError("Authorization is where tokens are looked for if nothing is said")
    return _is_header(name)


def _is_scope(value: str) -> str:
    if not _scope(value):
        raise ValueError("a scope is visible ASCII without spaces, double quotes and backslashes")
    return value


def _is_member(value: str) -> str:
    """oauth2-proxy takes and gives lists joined by commas."""
    if not value or "," in value or value != value.strip():
        raise ValueError("it is empty, has a comma, or begins or ends with a space")
    return value


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^(?:{pattern})$"})


Duration = Annotated[float, BeforeValidator(_seconds), _schema(_DURATION)]
Address = Annotated[str, BeforeValidator(str), AfterValidator(_is_address), _schema(_ADDRESS)]
Name = Annotated[str, AfterValidator(_is_label), _schema(_LABEL)]
ObjectName = Annotated[str, AfterValidator(_is_object_name), _schema(_OBJECT_NAME)]
Principal = Annotated[str, AfterValidator(_is_principal), _schema(_PRINCIPAL)]
HeaderName = Annotated[str, AfterValidator(_is_header), _schema(_HEADER_NAME)]
Url = Annotated[str, AfterValidator(_is_url)]
KeysUrl = Annotated[str, AfterValidator(_is_keys_url)]
CookieName = Annotated[str, AfterValidator(_is_cookie_name)]
PathPrefix = Annotated[str, AfterValidator(_is_path_prefix)]
Parameter = Annotated[str, AfterValidator(_is_parameter)]
TokenHeader = Annotated[str, AfterValidator(_is_token_header)]
ScopeToken = Annotated[str, AfterValidator(_is_scope)]
Member = Annotated[str, AfterValidator(_is_member)]
