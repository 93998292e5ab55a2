"""The parts of an APIRule as its author writes them: Kyma's schema v2, and our few optional fields.

Each part checks itself; what only several parts together can tell is checked in `apirule`.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel

from authz.core.path import Kind, Path
from authz.istio import cel, headers, migration, pattern, syntax
from authz.istio.access import Authentication, ExtAuth, JwtConfig
from authz.istio.model import ONE_OR_MORE, SOME, Many, Method, Model, Name, Seconds, Text, Token, Value, Word
from authz.istio.openapi import AtMost, Says

Added = Annotated[Word, AfterValidator(headers.added)]
Sent = Annotated[str, AfterValidator(headers.text), Says({"maxLength": headers.VALUE_MAX_LENGTH})]
Octets = Annotated[str, AfterValidator(headers.octets), Says({"maxLength": headers.VALUE_MAX_LENGTH})]

_together = AfterValidator(headers.cookies)
_WHOLE = Path(Kind.PREFIX, "/")  # every path of the host


class Service(Model):
    """Where requests go."""

    name: Name
    """Name of the Kubernetes Service. With enforcement Workload it needs a selector."""
    namespace: Name | None = None
    """Namespace of the Service. Unless given, that of `spec.service`, else the APIRule's own."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Port of the Service, not of its pods."""
    external: bool | None = None
    """Read and ignored, as Kyma does."""


class Request(Model):
    """What is added to the request on its way to the service."""

    headers: Annotated[dict[Added, Sent], SOME] = Field(default_factory=dict)
    """Headers that are set: name to value, in which `%REQ(name)%` stands for another header of the
    request. Routing, credentials and headers that carry an identity can not be set."""
    cookies: Annotated[dict[Token, Octets], SOME, _together] = Field(default_factory=dict)
    """Cookies that are sent in addition to the client's own: name to value."""


NOTHING = Request()


class Rule(Model):
    """Methods of a path, and who may use them."""

    model_config = ConfigDict(json_schema_extra=cel.ACCESS)

    path: Annotated[Path, BeforeValidator(pattern.parse), WithJsonSchema(cel.PATH)]
    """Path of the requests, without the query. `{*}` stands for one segment, `{**}` for any number of
    them and comes last; `/*` is every path. `/a` does not take in `/a/`."""
    methods: Annotated[Many[Method], SOME, ONE_OR_MORE, AfterValidator(syntax.methods)]
    """Methods of the requests. Others are left to later rules, and refused if none names them."""
    service: Service | None = None
    """Where the requests go. Unless given, to `spec.service`."""
    no_auth: bool | None = None
    """Everyone may pass."""
    jwt: JwtConfig | None = None
    """Who has a signed token may pass."""
    ext_auth: ExtAuth | None = None
    """Whom external authorizers accept may pass."""
    timeout: Seconds | None = None
    """Seconds until the gateway gives up and answers 504. Unless given, `spec.timeout`."""
    request: Request = Field(default_factory=lambda: NOTHING)
    """What is added to the request on its way to the service."""

    @model_validator(mode="after")
    def _one_access(self) -> Self:
        if [bool(self.no_auth), self.jwt is not None, self.ext_auth is not None].count(True) != 1:
            raise ValueError(syntax.ONE_ACCESS)
        return self

    @property
    def access(self) -> JwtConfig | ExtAuth | None:
        """Who may pass; None is everyone."""
        return self.jwt or self.ext_auth

    @property
    def tokens(self) -> JwtConfig | None:
        """What the rule asks of a token, as its only check or on top of an authorizer."""
        return self.ext_auth.restrictions if self.ext_auth else self.jwt

    @property
    def tokens_field(self) -> str:
        """Where `tokens` are written."""
        return "extAuth.restrictions" if self.ext_auth else "jwt"

    @property
    def authentications(self) -> tuple[Authentication, ...]:
        """The issuers that the rule accepts tokens of, if it reads tokens at all."""
        return self.tokens.authentications if self.tokens else ()


class Origin(Model):
    """One way to compare an origin, such as `https://shop.example.com`."""

    model_config = ConfigDict(json_schema_extra=cel.ORIGIN)

    exact: Value | None = None
    """The whole origin."""
    prefix: Value | None = None
    """What the origin starts with. Mind the end: `https://shop` is also `https://shop.evil.test`."""
    regex: Value | None = None
    """A plain regular expression (RE2) of the whole origin."""

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        headers.origin(self.model_dump(exclude_none=True))
        return self


class CorsPolicy(Model):
    """Answers to browsers of other origins, given by the gateway."""

    allow_headers: Annotated[Many[Token], SOME] = ()
    """Request headers that scripts may set (`Access-Control-Allow-Headers`)."""
    allow_methods: Annotated[Many[Literal[Method, "*"]], SOME] = ()
    """Methods that scripts may use (`Access-Control-Allow-Methods`)."""
    expose_headers: Annotated[Many[Token], SOME] = ()
    """Response headers that scripts may read (`Access-Control-Expose-Headers`)."""
    allow_origins: Annotated[Many[Origin], SOME] = ()
    """Whose scripts may call. Without origins the policy does nothing."""
    allow_credentials: bool | None = None
    """Whether browsers may send cookies along (`Access-Control-Allow-Credentials`)."""
    max_age: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """Seconds for which browsers may remember a preflight (`Access-Control-Max-Age`)."""


class Spec(Model):
    """Hosts, and their rules in order of precedence."""

    model_config = ConfigDict(json_schema_extra=cel.SERVICES)

    hosts: Annotated[
        Many[Annotated[str, AfterValidator(syntax.host), Says(cel.HOST)]],
        SOME,
        AfterValidator(syntax.hosts),
        Says(cel.HOSTS),
    ]
    """Names that the rules are for: `shop.example.com`, `*.example.com`, or a short `shop` that the
    gateway's one domain completes. A host belongs to one APIRule: the older of two keeps it."""
    gateway: Annotated[str, AfterValidator(syntax.gateway), Says(cel.GATEWAY)]
    """The Istio Gateway that serves the hosts, as `namespace/name`."""
    external_gateway: Annotated[
        Any, AfterValidator(syntax.external_gateway), WithJsonSchema(cel.EXTERNAL_GATEWAY)
    ] = None
    """Kyma's way to a gateway that it sets up itself: not supported here."""
    service: Service | None = None
    """Where the requests of rules without a service of their own go."""
    timeout: Seconds = 180
    """Seconds until the gateway gives up and answers 504, for rules without a timeout of their own."""
    cors_policy: CorsPolicy | None = None
    """Lets scripts of other origins call: the gateway answers preflights, without a token. The
    workload's own CORS headers are removed, with or without a policy."""
    rules: Annotated[
        Many[Rule], AtMost(syntax.RULES_MAX), ONE_OR_MORE, AfterValidator(syntax.some("No rules defined"))
    ]
    """Who may use which paths and methods. The first rule that names a request's method and path
    decides; what no rule names is refused."""
    enforcement: Literal["Workload", "Gateway"] = "Workload"
    """Where the rules are enforced. Workload: by the sidecars of the Service's pods, also against
    callers inside the mesh. Gateway: by the gateway, for pods without a sidecar; then nothing stops
    a caller that goes round the gateway."""
    ambiguous_paths: Literal["Reject", "Allow"] | None = None
    """Whether paths that two programs could read as two different ones (`//`, `;`, `%2F` and the like)
    get 400. Unless given, Reject where the host mixes kinds of access or services, else Allow."""

    @property
    def rejects_ambiguous(self) -> bool:
        """Default: unless whatever the workload may read into a path is open to the same callers.

        That is where one service has the whole host, for every method that is listed, and all rules
        ask for the same access.
        """
        if self.ambiguous_paths:
            return self.ambiguous_paths == "Reject"
        listed = {method for rule in self.rules for method in rule.methods}
        whole = {method for rule in self.rules if rule.path == _WHOLE for method in rule.methods}
        kinds = [(rule.access, rule.service or self.service) for rule in self.rules]
        return whole != listed or kinds.count(kinds[0]) < len(kinds)


class Metadata(BaseModel):
    """Kubernetes' own; labels and annotations are free."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel)

    name: Annotated[Text, StringConstraints(max_length=63), AfterValidator(syntax.subdomain)]
    namespace: Name = "default"
    creation_timestamp: Annotated[str, BeforeValidator(syntax.timestamp)] = ""
    annotations: Annotated[dict[str, str], BeforeValidator(migration.ours)] = {}
