"""The parts of an APIRule as its author writes them: Kyma's schema v2, and our few optional fields.

Each part checks itself; what only several parts together can tell is checked in `apirule`.
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    StringConstraints,
    model_validator,
)
from pydantic.alias_generators import to_camel

from authz.core.path import Kind, Path
from authz.istio import headers, syntax

T = TypeVar("T")

Many = Annotated[tuple[T, ...], Strict(False)]  # a YAML list is read into a tuple
Text = Annotated[str, StringConstraints(min_length=1, max_length=syntax.TEXT_MAX_LENGTH)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(syntax.name)]
Seconds = Annotated[int, Field(ge=1, le=3900)]
Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
Value = Annotated[str, StringConstraints(max_length=syntax.TEXT_MAX_LENGTH)]
Header = Annotated[Value, AfterValidator(headers.name)]
Added = Annotated[Value, AfterValidator(headers.added)]
Sent = Annotated[str, AfterValidator(headers.text)]
Octets = Annotated[str, AfterValidator(headers.octets)]
Token = Annotated[Value, AfterValidator(headers.token)]
Origin = Annotated[dict[Literal["exact", "prefix", "regex"], Value], AfterValidator(headers.origin)]

_WHOLE = Path(Kind.PREFIX, "/")  # every path of the host

# How many of a kind: every number multiplies the work of translating and the size of the policies.
_few = BeforeValidator(syntax.at_most(10))  # ways to be authorized, and what each asks for
_some = BeforeValidator(syntax.at_most(50))  # issuers, hosts, headers
_together = AfterValidator(headers.cookies)
_rules = BeforeValidator(syntax.at_most(syntax.RULES_MAX))


class Model(BaseModel):
    """A part of the document: immutable, in the document's camelCase, nothing unknown in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, alias_generator=to_camel)


class Service(Model):
    """Where requests go. Kyma accepts `external` and ignores it; so do we."""

    name: Name
    namespace: Name | None = None
    port: Annotated[int, Field(ge=1, le=65535)]
    external: bool | None = None


class FromHeader(Model):
    """A header that carries the token behind `prefix`."""

    name: Header
    prefix: Annotated[Value, AfterValidator(headers.prefix)] = ""


class Authentication(Model):
    """One issuer of tokens and where its keys are."""

    issuer: Annotated[Value, AfterValidator(syntax.issuer)]
    jwks_uri: Annotated[Value, AfterValidator(syntax.jwks_uri)]
    from_headers: Annotated[Many[FromHeader], AfterValidator(syntax.at_most_one("fromHeaders"))] = ()
    from_params: Annotated[Many[Text], AfterValidator(syntax.at_most_one("fromParams"))] = ()

    @property
    def terms(self) -> tuple[str, tuple[FromHeader, ...], tuple[str, ...]]:
        """What verifies its tokens, and where they are looked for: Istio takes all that anyone names."""
        return self.jwks_uri, self.from_headers, self.from_params


class Authorization(Model):
    """One way to be authorized: all these scopes and all these audiences."""

    required_scopes: Annotated[Many[Value], _few, AfterValidator(syntax.claims("scope"))] = ()
    audiences: Annotated[Many[Value], _few, AfterValidator(syntax.claims("audience"))] = ()

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.required_scopes and not self.audiences:
            raise ValueError("authorization is empty")
        return self


class JwtConfig(Model):
    """Signed tokens: any of the issuers, and any of the authorizations if there are some."""

    authentications: Annotated[Many[Authentication], _some, AfterValidator(syntax.sources)]
    authorizations: (
        Annotated[
            Many[Authorization],
            _few,
            AfterValidator(syntax.some("authorizations defined, but no configuration exists")),
        ]
        | None
    ) = None


class ExtAuth(Model):
    """Authorizers of our configuration, or extension providers of the mesh."""

    authorizers: Annotated[Many[Text], _few, AfterValidator(syntax.some("No authorizers defined"))]
    restrictions: JwtConfig | None = None


class Request(Model):
    """What is added to the request on its way to the service."""

    headers: Annotated[dict[Added, Sent], _some] = {}
    cookies: Annotated[dict[Token, Octets], _some, _together] = {}


class Rule(Model):
    """Methods of a path, and who may use them."""

    path: Annotated[Path, BeforeValidator(syntax.path)]
    methods: Annotated[Many[Method], _some, AfterValidator(syntax.methods)]
    service: Service | None = None
    no_auth: bool | None = None
    jwt: JwtConfig | None = None
    ext_auth: ExtAuth | None = None
    timeout: Seconds | None = None
    request: Request = Request()

    @model_validator(mode="after")
    def _one_access(self) -> Self:
        if [bool(self.no_auth), self.jwt is not None, self.ext_auth is not None].count(True) != 1:
            raise ValueError("One of the following fields must be set: noAuth, jwt, extAuth")
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


class CorsPolicy(Model):
    """Answers to browsers of other origins, given by the gateway."""

    allow_headers: Annotated[Many[Token], _some] = ()
    allow_methods: Annotated[Many[Token], _some] = ()
    expose_headers: Annotated[Many[Token], _some] = ()
    allow_origins: Annotated[Many[Origin], _some] = ()
    allow_credentials: bool | None = None
    max_age: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class Spec(Model):
    """Hosts, and their rules in order of precedence."""

    hosts: Annotated[Many[Annotated[str, AfterValidator(syntax.host)]], _some, AfterValidator(syntax.hosts)]
    gateway: Annotated[str, AfterValidator(syntax.gateway)]
    external_gateway: Annotated[Any, AfterValidator(syntax.external_gateway)] = None
    service: Service | None = None
    timeout: Seconds = 180
    cors_policy: CorsPolicy | None = None
    rules: Annotated[Many[Rule], _rules, AfterValidator(syntax.some("No rules defined"))]
    enforcement: Literal["Workload", "Gateway"] = "Workload"
    ambiguous_paths: Literal["Reject", "Allow"] | None = None

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
