"""What the authorizer enforces: hosts, their rules in order, and whom each rule accepts.

Made by `istio.policy` from APIRules and the configuration; immutable, replaced as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlencode

from authz.core.cors import Cors
from authz.core.path import Path

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

# Kyma looks for scopes in each of these; all that are required must stand in the same one.
SCOPE_CLAIMS = ("scp", "scope", "scopes")

# What a workload is told of the caller unless the configuration says otherwise: header to claim.
IDENTITY_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "x-auth-subject": "sub",
        "x-auth-email": "email",
        "x-auth-groups": "groups",
        "x-auth-scopes": "scope",
    }
)


@dataclass(frozen=True, slots=True)
class Location:
    """Where a token is carried: a header, behind `prefix` (with its space), a query parameter or a cookie."""

    header: str = "authorization"
    prefix: str = "Bearer "
    param: str = ""
    cookie: str = ""


BEARER = Location()


ScopeStrategy = Literal["exact", "hierarchic", "wildcard"]  # see `scopes`
AudienceMatch = Literal["any", "all"]  # how many of the audiences a token must name
Profile = Literal["any", "rfc9068"]  # which access tokens pass for one: see `claims`
ClientAuth = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"]


@dataclass(frozen=True, slots=True)
class Jwt:
    """Accept signed JWTs of one issuer. No `audiences` means that any will do (as Istio has it)."""

    issuer: str
    jwks_uri: str = ""
    audiences: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    algorithms: frozenset[str] = ALGORITHMS
    location: Location = BEARER
    leeway_s: float = 60.0  # as much as Envoy gives by default
    profile: Profile = "any"
    audience_match: AudienceMatch = "any"
    scope_strategy: ScopeStrategy = "exact"


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to an authorization server, and how we show it (RFC 6749 2.3, RFC 7523, RFC 8705 2)."""

    id: str
    auth: ClientAuth = "client_secret_basic"
    secret_file: File | None = None
    key_file: File | None = None
    cert_file: File | None = None


@dataclass(frozen=True, slots=True)
class Introspection:
    """Accept tokens that the issuer says are active (RFC 7662). `endpoint` is discovered if empty."""

    issuer: str
    client: Client
    endpoint: str = ""
    audiences: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    location: Location = BEARER
    leeway_s: float = 60.0
    ttl_s: float = 30.0
    negative_ttl_s: float = 5.0
    calls: int = 32
    audience_match: AudienceMatch = "any"
    scope_strategy: ScopeStrategy = "exact"
    source: str = field(init=False, compare=False, repr=False)  # who is asked and how

    def __post_init__(self) -> None:
        """Named once, at load, for it is looked up at each request."""
        asked = self.issuer, self.endpoint, self.client, self.ttl_s, self.negative_ttl_s, self.calls
        object.__setattr__(self, "source", repr(asked))


@dataclass(frozen=True, slots=True)
class Session:
    """Accept browsers that oauth2-proxy has signed in. `prefix` is its own path on each host."""

    oauth2_proxy: str
    cookie_name: str = "_oauth2_proxy"
    prefix: str = "/oauth2"
    allowed_groups: frozenset[str] = frozenset()
    allowed_emails: frozenset[str] = frozenset()
    ttl_s: float = 5.0
    calls: int = 32
    question: str = field(init=False, compare=False, repr=False)  # path and query to ask at

    def __post_init__(self) -> None:
        """Written once, at load: oauth2-proxy takes lists joined by commas."""
        allowed = {"allowed_groups": self.allowed_groups, "allowed_emails": self.allowed_emails}
        asked = urlencode({name: ",".join(sorted(members)) for name, members in allowed.items() if members})
        object.__setattr__(self, "question", f"{self.prefix}/auth{'?' if asked else ''}{asked}")


Accept = Jwt | Introspection | Session


@dataclass(frozen=True, slots=True)
class Place:
    """Where one bearer token may be, and who is believed about it: by its signature, or asked."""

    location: Location
    jwts: tuple[Jwt, ...] = ()
    introspection: Introspection | None = None


@dataclass(frozen=True, slots=True)
class IdentityToken:
    """What a workload is told in a signed token (see `assertion`). `claims` are the token's, by the caller's.

    No `audience` means the host that was asked for.
    """

    header: str
    audience: str = ""
    claims: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Who is accepted, tried in order. An authorizer that accepts nothing refuses everyone.

    `places` are where credentials may be, in that order: a token's, or a session's cookies. Where
    none of them has one, the caller is `anonymous`: a name, perhaps empty, or None, who is refused.
    """

    name: str
    accept: tuple[Accept, ...] = ()
    identity_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    identity_token: IdentityToken | None = None
    anonymous: str | None = None
    places: tuple[Place | Session, ...] = field(init=False, compare=False, repr=False)
    session: Session | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Sort by place at load, not at each request."""
        places = dict.fromkeys(_at(accept, self.accept) for accept in self.accept)
        object.__setattr__(self, "places", tuple(places))
        object.__setattr__(self, "session", next((one for one in places if isinstance(one, Session)), None))

    @property
    def scopes(self) -> frozenset[str]:
        """What it may ask of a token."""
        return frozenset().union(*(one.scopes for one in self.accept if not isinstance(one, Session)))


def _at(accept: Accept, all_of_them: tuple[Accept, ...]) -> Place | Session:
    if isinstance(accept, Session):
        return accept
    tokens = [one for one in all_of_them if not isinstance(one, Session) and one.location == accept.location]
    jwts = tuple(one for one in tokens if isinstance(one, Jwt))
    return Place(accept.location, jwts, next((one for one in tokens if isinstance(one, Introspection)), None))


@dataclass(frozen=True, slots=True)
class Requirement:
    """One way to be authorized: all scopes in one claim, and all audiences (Kyma's meaning)."""

    scopes: frozenset[str] = frozenset()
    audiences: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Check:
    """One question to a request: be accepted, and meet one of the requirements if there are any."""

    authorizer: Authorizer
    any_of: tuple[Requirement, ...] = ()

    @property
    def scopes(self) -> frozenset[str]:
        """All that may be of use."""
        return self.authorizer.scopes.union(*(one.scopes for one in self.any_of))


@dataclass(frozen=True, slots=True)
class Rule:
    """A method and path, and the checks that must all pass; none makes it public.

    `name` is `namespace/apirule/index`: the label of metrics, logs and explanations. `cookies` names the
    sessions of the host, which are not for the workload.
    """

    name: str
    methods: frozenset[str]
    path: Path
    checks: tuple[Check, ...] = ()
    cors: Cors | None = None
    cookies: tuple[str, ...] = ()

    @property
    def scopes(self) -> tuple[str, ...]:
        """Those that would do, of the alternatives the ones its author put first."""
        asked = (check.any_of[0].scopes for check in self.checks if check.any_of)
        accepted = (check.authorizer.scopes for check in self.checks)
        return tuple(sorted(frozenset().union(*asked, *accepted)))


@dataclass(frozen=True, slots=True)
class Host:
    """The rules of one host in order. A wildcard's name starts with `*.`.

    `is_described` says that we answer for its metadata (see `metadata`).
    `coming` is a newer version that is not in force yet: until then requests must pass by both.
    `preflights` are rules without checks for those CORS preflights that Envoy answers after us.
    """

    name: str
    rules: tuple[Rule, ...]
    rejects_ambiguous: bool = True
    is_described: bool = False
    preflights: tuple[Rule, ...] = ()
    coming: "Host | None" = None


@dataclass(frozen=True, slots=True)
class Policy:
    """All hosts by lower-case name, and every header that may carry an identity."""

    hosts: Mapping[str, Host] = field(default_factory=lambda: MappingProxyType({}))
    identity_headers: frozenset[str] = frozenset()
