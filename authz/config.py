"""Every setting, once: the configuration file as one frozen tree.

Unknown keys are mistakes. Names, defaults and texts here are the only ones; examples are made from them.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails

from authz import accept, documents
from authz.accept import Accept, Anonymous
from authz.core.policy import IDENTITY_HEADERS
from authz.mesh import Istio
from authz.observed import Log, Tracing
from authz.tokens import IdentityToken, IdentityTokens
from authz.values import Address, Duration, HeaderName, Name, OneOf, Section

WORKERS_MAX = 64  # more cores than one replica should have; run more replicas instead
_TOO_SHORT = "at least one is needed"
_MESSAGES = {  # pydantic's kinds of error, in the words of those who write the file
    "missing": "this setting is required",
    **dict.fromkeys(("model_type", "dict_type"), "a mapping of settings is expected"),
    "tuple_type": "a list is expected",
    "too_short": _TOO_SHORT,
    "string_too_short": "it is empty",
}

_NOT_OURS = {  # a key that tells what somebody took for this file, and what to do
    "config": "these are values of the chart: the configuration is what stands below `config` in them",
    "apiVersion": "a Kubernetes object: in the chart's ConfigMap the configuration is data[authz.yaml]",
}


class Invalid(Exception):
    """The file has mistakes: `problems` are like `sources.ttl: …`, without the path where it has none."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = tuple(f"{path}: {message}" if path else message for path, message in problems)
        super().__init__("\n".join(self.problems))


class Tls(Section):
    """Certificates, PEM; read again when the files change. Takes `transport: h2`."""

    cert_file: Path
    """The server's certificate and those between it and its root."""
    key_file: Path
    """Its key."""
    client_ca_file: Path | None = None
    """Ask clients for certificates, and trust those that these have signed."""
    client_names: tuple[str, ...] = ()
    """Admit only clients whose certificate has one of these names (SAN: DNS or URI)."""

    def model_post_init(self, _: object) -> None:
        """Names mean nothing where nobody vouches for them."""
        if self.client_names and not self.client_ca_file:
            raise ValueError("clientNames takes clientCaFile")


class Listen(Section):
    """Where the authorizer listens: HOST:PORT, or unix:/path."""

    grpc: Address = "0.0.0.0:9191"
    """Envoy's checks and the gRPC health service."""
    admin: Address = "127.0.0.1:9192"
    """Health, readiness, metrics and version over HTTP."""
    console: Literal["local", "anyone", "none"] = "local"
    """Its page for people: for callers on its own machine (kubectl port-forward), anyone, or none."""
    tls: Tls | None = None
    """TLS for the gRPC port: certFile, keyFile, and for clients clientCaFile and clientNames."""
    max_connection_age: Duration = 600.0
    """When clients are asked to connect anew, give or take a tenth, so as to spread over replicas."""


class FromCluster(Section):
    """Nothing to set."""


class PolicySource(Section):
    """Where the APIRules come from: files, or the cluster."""

    files: Annotated[tuple[str, ...], Field(examples=[["samples/"]])] = ()
    """Files and folders, relative to this file; reloaded when they change."""
    kubernetes: FromCluster | None = None
    """Write `kubernetes: {}` instead of files to follow the APIRules of the cluster."""

    def model_post_init(self, _: object) -> None:
        """Of two sources, none could tell who has a host."""
        if self.files and self.kubernetes:
            raise ValueError("choose either files or kubernetes")


class Kubernetes(Section):
    """The cluster's API server. In a pod nothing has to be said; elsewhere it is kubectl's."""

    kubeconfig: Path | None = None
    """A kubeconfig file, relative to where the program is started."""


class Controller(Section):
    """`authz controller`, which writes Istio's objects for the APIRules of a cluster."""

    admin: Address = "127.0.0.1:9193"
    """Health, readiness and metrics over HTTP."""
    lease_namespace: Name = "authz-system"
    """Where the Lease `authz-controller` is, by which one of several replicas leads."""
    guards_outlive: Duration = 2.0
    """How long the policies of a deleted APIRule stay after its route: proxies hear of both one by one."""


class Sources(Section):
    """How identity providers are asked, and for how long their answers serve."""

    timeout: Duration = 5.0
    """The longest one call may take."""
    ttl: Duration = 600.0
    """The age at which keys are fetched anew."""
    stale: Duration = 86_400.0
    """How long the last keys serve while their source fails."""
    refresh_cooldown: Duration = 10.0
    """The least time between two fetches of the same keys, whoever wants them."""
    plain_http_hosts: tuple[str, ...] = ()
    """Hosts that may be asked over http; loopback always may."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's, PEM."""

    def model_post_init(self, _: object) -> None:
        """Keys that may not be fetched again before they are too old would be missing in between."""
        if self.ttl < 2 * self.refresh_cooldown:
            raise ValueError("ttl must be at least twice refreshCooldown")


class Authorizer(Section):
    """Who is accepted under one name."""

    name: Annotated[Name, Field(examples=["keycloak"])]
    """What APIRules call it."""
    accept: tuple[Accept, ...] = ()
    """Tried in order: the first whose credential is present decides."""
    identity_headers: Mapping[HeaderName, str] = Field(default_factory=lambda: dict(IDENTITY_HEADERS))
    """Header to claim, or to a member of one: `realm_access.roles`. Clients can not send these themselves."""
    identity_token: IdentityToken | None = None
    anonymous: Anonymous | None = None
    """Let callers without a credential pass, unless they send `Authorization`. A bad one is refused."""
    nobody: bool = False
    """Refuse everyone: for a path's methods that a later rule would let pass."""

    def model_post_init(self, _: object) -> None:
        """Kinds that can not be told apart, and what would let nobody in."""
        if self.nobody == bool(self.accept or self.anonymous):
            raise ValueError("accept or anonymous is needed, or nobody: true and neither")
        if self.identity_token and self.anonymous and not self.anonymous.subject:
            raise ValueError("identityToken takes a subject of anonymous")
        accept.check_together(self.accept)


class Config(Section):
    """The authorizer's configuration."""

    listen: Listen = Listen()
    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """Processes that share the port, one for each core."""
    transport: Literal["h2", "grpcio"] = "h2"
    """The gRPC server to use: h2, or grpcio's, which costs several times more and has no TLS here."""
    policy: PolicySource = PolicySource()
    kubernetes: Kubernetes = Kubernetes()
    controller: Controller = Controller()
    istio: Istio = Istio()
    sources: Sources = Sources()
    authorizers: tuple[Authorizer, ...] = ()
    """Who is accepted, under names that APIRules use in `extAuth.authorizers`."""
    identity_tokens: IdentityTokens = IdentityTokens()
    log: Log = Log()
    tracing: Tracing = Tracing()

    def model_post_init(self, _: object) -> None:
        """What no single setting can see."""
        if self.listen.tls and self.transport != "h2":
            raise ValueError("listen.tls takes transport h2")
        if self.workers > 1 and self.listen.grpc.startswith("unix:"):
            raise ValueError("several workers can share a port, but not a unix socket")
        names = [authorizer.name for authorizer in self.authorizers]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"authorizers share a name: {', '.join(twice)}")
        keys, header = self.identity_tokens.keys, self.identity_tokens.header
        if not keys and any(one.identity_token for one in self.authorizers):
            raise ValueError("an authorizer's identityToken takes identityTokens.keys")
        if keys and any(header in one.identity_headers for one in self.authorizers):
            raise ValueError(f"identityHeaders: {header} is for identity tokens")
        accept.check_all(one for authorizer in self.authorizers for one in authorizer.accept)


def read(path: Path) -> Config:
    """Read a file. Raises Invalid with every mistake, also if there is no such file."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid([("", f"can not be read: {error}")]) from error


def parse(text: str) -> Config:
    """Read YAML. Raises Invalid with every mistake."""
    try:
        found = documents.read(text)
    except documents.Malformed as error:
        raise Invalid([("", str(error))]) from error
    if len(found) > 1:
        raise Invalid([("", "one document is expected")])
    said = found[0] if found and found[0] is not None else {}
    if isinstance(said, dict) and (
        mistaken := next((_NOT_OURS[key] for key in _NOT_OURS if key in said), "")
    ):
        raise Invalid([("", mistaken)])
    try:
        return Config.model_validate(said)
    except ValidationError as error:
        mistakes = {_path(detail["loc"]): _message(detail) for detail in error.errors()}
        raise Invalid((path, mistakes[path]) for path in mistakes if not _echoes(path, mistakes)) from error


def _echoes(path: str, found: Mapping[str, str]) -> bool:
    """A list whose members are wrong is also called too short: the members say enough."""
    return found[path] == _TOO_SHORT and any(other.startswith(f"{path}[") for other in found)


def _path(location: tuple[int | str, ...]) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)
    return path.removeprefix(".").removesuffix(".[key]")


def _message(detail: ErrorDetails) -> str:
    kind, text = detail["type"], detail["msg"]
    if kind == "extra_forbidden":
        close = get_close_matches(str(detail["loc"][-1]), _names(), n=1)
        return "unknown setting" + (f", did you mean {close[0]}?" if close else "")
    if kind == "literal_error":
        return f"choose from: {detail['ctx']['expected'].replace(chr(39), '')}"
    return _MESSAGES.get(kind) or text.removeprefix("Value error, ").replace("Input should", "it should")


def _names() -> set[str]:
    """Of every setting in the tree."""
    sections = [*Section.__subclasses__(), *OneOf.__subclasses__()]
    return {str(field.alias) for one in sections for field in one.model_fields.values()}
