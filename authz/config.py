"""Every setting, once: the configuration file as one frozen tree.

Unknown keys are mistakes. Names, defaults and texts here are the only ones; examples are made from them.
"""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from authz.core.policy import ALGORITHMS, IDENTITY_HEADERS

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_duration = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)").fullmatch
_TOO_SHORT = "at least one is needed"
_header_name = re.compile(r"[a-z0-9!#$%&'*+.^`|~-]+").fullmatch  # RFC 9110 5.6.2 without the underscore
_address = re.compile(r"unix:/.+|(?:\[[0-9a-fA-F:]+\]|[^:/\[\]]+):[0-9]{1,5}").fullmatch
# Names that Envoy refuses to set, or that would change the request itself.
_FORBIDDEN_HEADERS = frozenset(
    {"host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "cookie", "authorization"}
)


class Invalid(Exception):
    """The file has mistakes: `problems` holds (path, message) for each."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("\n".join(f"{path}: {message}" for path, message in problems))
        self.problems = problems


def _seconds(value: Any) -> float:
    match = _duration(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("a duration is a number and a unit, like 500ms, 30s, 5m or 1h")
    if not float(match[1]):
        raise ValueError("a duration is longer than nothing")
    return float(match[1]) * _UNITS_S[match[2]]


def _is_address(value: str) -> str:
    port = value.rpartition(":")[2]
    if not _address(value) or (port.isdecimal() and int(port) > 65_535):
        raise ValueError("an address is HOST:PORT or unix:/path")
    return value


def _is_header(name: str) -> str:
    if not _header_name(name):
        raise ValueError("a header's name is in lower case, and without underscores")
    if name in _FORBIDDEN_HEADERS:
        raise ValueError(f"the header {name} has a meaning of its own")
    return name


Duration = Annotated[float, BeforeValidator(_seconds)]
Address = Annotated[str, BeforeValidator(str), AfterValidator(_is_address)]
HeaderName = Annotated[str, AfterValidator(_is_header)]


class _Section(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )


class Listen(_Section):
    """Where the authorizer listens: HOST:PORT, or unix:/path."""

    grpc: Address = "0.0.0.0:9191"
    """Envoy's checks and the gRPC health service."""
    admin: Address = "127.0.0.1:9192"
    """Health, readiness, metrics and version over HTTP."""


class PolicySource(_Section):
    """Where the APIRules come from."""

    files: Annotated[tuple[str, ...], Field(examples=[["samples/"]])] = ()
    """Files and folders, relative to this file; reloaded when they change."""


class Istio(_Section):
    """What the mesh calls us, and which gateway is ours."""

    provider: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")] = "authz"
    """The name in MeshConfig.extensionProviders."""
    gateway_selector: Mapping[str, str] = Field(default_factory=lambda: {"istio": "ingressgateway"})
    """Labels of the gateway's pods, for rules with `enforcement: Gateway`."""
    gateway_principal: str = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
    """The gateway's identity, which workloads admit."""


class Sources(_Section):
    """How identity providers are asked, and for how long their answers serve."""

    timeout: Duration = "5s"  # type: ignore[assignment]  # the default is written as a user would
    """The longest one call may take."""
    ttl: Duration = "10m"  # type: ignore[assignment]
    """The age at which keys are fetched anew."""
    stale: Duration = "24h"  # type: ignore[assignment]
    """How long the last keys serve while their source fails."""
    refresh_cooldown: Duration = "10s"  # type: ignore[assignment]
    """The least time between two fetches for a key that is not in the set."""
    plain_http_hosts: tuple[str, ...] = ()
    """Hosts that may be asked over http; loopback always may."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, PEM."""


class Jwt(_Section):
    """Accept access tokens that are JWTs signed by one issuer."""

    issuer: Annotated[str, Field(min_length=1, examples=["https://idp.example.com/realms/shop"])]
    """The `iss` of the tokens, to the letter."""
    audiences: Annotated[tuple[str, ...], Field(min_length=1, examples=[["shop"]])]
    """The token's `aud` must name one of these."""
    jwks_uri: str = ""
    """Where the keys are; discovered from the issuer (OpenID Connect Discovery) if empty."""
    algorithms: Annotated[tuple[str, ...], Field(min_length=1)] = tuple(sorted(ALGORITHMS))
    """Signature algorithms to accept."""
    leeway: Duration = "60s"  # type: ignore[assignment]
    """Tolerance for clocks that differ."""

    def model_post_init(self, _: object) -> None:
        """Symmetric and unsigned tokens are never accepted (RFC 8725 3.1)."""
        if unknown := sorted(set(self.algorithms) - ALGORITHMS):
            raise ValueError(f"unknown algorithms {', '.join(unknown)}; choose from {sorted(ALGORITHMS)}")


class Accept(_Section):
    """One kind of credential."""

    jwt: Jwt


class Authorizer(_Section):
    """Who is accepted under one name."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?$", examples=["keycloak"])]
    """What APIRules call it."""
    accept: Annotated[tuple[Accept, ...], Field(min_length=1)]
    """Tried in order: the first whose credential is present decides."""
    identity_headers: Mapping[HeaderName, str] = Field(default_factory=lambda: dict(IDENTITY_HEADERS))
    """Header to claim, for the workload. Clients can not send these themselves."""


class Log(_Section):
    """What is logged of decisions. A credential never is."""

    decisions: Literal["all", "denied", "none"] = "denied"
    """Which of them: all, denied or none."""


class Config(_Section):
    """The authorizer's configuration."""

    listen: Listen = Listen()
    workers: Literal[1] = 1
    """Processes that share the port."""
    transport: Literal["h2", "grpcio"] = "grpcio"
    """The gRPC server to use: h2 or grpcio."""
    policy: PolicySource = PolicySource()
    istio: Istio = Istio()
    sources: Sources = Sources()
    authorizers: tuple[Authorizer, ...] = ()
    """Who is accepted, under names that APIRules use in `extAuth.authorizers`."""
    log: Log = Log()

    def model_post_init(self, _: object) -> None:
        """Two authorizers of one name would leave it open which one a rule means."""
        names = [authorizer.name for authorizer in self.authorizers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"authorizers share a name: {', '.join(twice)}")


def parse(text: str) -> Config:
    """Read YAML. Raises Invalid with every mistake."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise Invalid((("", syntax_error(error)),)) from error
    try:
        return Config.model_validate({} if document is None else document)
    except ValidationError as error:
        found = {_path(detail["loc"]): _message(detail) for detail in error.errors()}
        raise Invalid(tuple((path, found[path]) for path in found if not _echoes(path, found))) from error


def syntax_error(error: yaml.YAMLError) -> str:
    """Where YAML breaks off and why, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split())


def _echoes(path: str, found: Mapping[str, str]) -> bool:
    """A list whose members are wrong is also called too short: the members say enough."""
    return found[path] == _TOO_SHORT and any(other.startswith(f"{path}[") for other in found)


def _path(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return path.removeprefix(".").removesuffix(".[key]")


def _message(detail: ErrorDetails) -> str:
    match detail["type"]:
        case "extra_forbidden":
            close = get_close_matches(str(detail["loc"][-1]), _names(), n=1)
            return "unknown setting" + (f", did you mean {close[0]}?" if close else "")
        case "missing":
            return "this setting is required"
        case "model_type" | "dict_type":
            return "a mapping of settings is expected"
        case "too_short":
            return _TOO_SHORT
        case "literal_error":
            return f"choose from: {detail['ctx']['expected'].replace(chr(39), '')}"
        case _:
            return detail["msg"].removeprefix("Value error, ")


def _names() -> set[str]:
    """Of every setting in the tree."""
    return {str(field.alias) for one in _Section.__subclasses__() for field in one.model_fields.values()}
