"""What the authorizer enforces: hosts, their rules in order, and whom each rule accepts.

Made by `istio.policy` from APIRules and the configuration; immutable, replaced as a whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

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
    """Where a token is carried: a header, behind `prefix` (with its space), or a query parameter."""

    header: str = "authorization"
    prefix: str = "Bearer "
    param: str = ""


BEARER = Location()


@dataclass(frozen=True, slots=True)
class Jwt:
    """Accept signed JWTs of one issuer. No `audiences` means that any will do (as Istio has it)."""

    issuer: str
    jwks_uri: str = ""
    audiences: frozenset[str] = frozenset()
    algorithms: frozenset[str] = ALGORITHMS
    location: Location = BEARER
    leeway_s: float = 60.0  # as much as Envoy gives by default


Accept = Jwt


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Who is accepted, tried in order. An authorizer that accepts nothing refuses everyone.

    `places` are the locations of tokens in that order, each with all that is accepted there.
    """

    name: str
    accept: tuple[Accept, ...] = ()
    identity_headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    places: tuple[tuple[Location, tuple[Accept, ...]], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Sort by place at load, not at each request."""
        locations = dict.fromkeys(accept.location for accept in self.accept)
        places = ((place, tuple(one for one in self.accept if one.location == place)) for place in locations)
        object.__setattr__(self, "places", tuple(places))


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


@dataclass(frozen=True, slots=True)
class Rule:
    """A method and path, and the checks that must all pass; none makes it public.

    `name` is `namespace/apirule/index`: the label of metrics, logs and explanations.
    """

    name: str
    methods: frozenset[str]
    path: Path
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class Host:
    """The rules of one host in order. A wildcard's name starts with `*.`."""

    name: str
    rules: tuple[Rule, ...]
    rejects_ambiguous: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """All hosts by lower-case name, and every header that may carry an identity."""

    hosts: Mapping[str, Host] = field(default_factory=lambda: MappingProxyType({}))
    identity_headers: frozenset[str] = frozenset()
