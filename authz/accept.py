"""The kinds of credentials an authorizer may accept, as the configuration has them.

What can not work together is refused here, when the file is read, and not at a request.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from authz.core.policy import ALGORITHMS, AudienceMatch, ScopeStrategy
from authz.values import (
    CookieName,
    Duration,
    KeysUrl,
    Member,
    OneOf,
    Parameter,
    PathPrefix,
    ScopeToken,
    Section,
    TokenHeader,
    Url,
)

CALLS_MAX = 1_000  # sockets are shared by all sources of a replica

# What each way of showing who we are takes, and what it has no use for.
_FILES = {
    "client_secret_basic": {"clientSecretFile"},
    "client_secret_post": {"clientSecretFile"},
    "private_key_jwt": {"keyFile"},
    "tls_client_auth": {"keyFile", "certFile"},
}

_Calls = Annotated[int, Field(ge=1, le=CALLS_MAX)]


class TokenFrom(OneOf):
    """Where the token is carried, if it is not `Authorization: Bearer`."""

    header: TokenHeader | None = None
    """A header that holds nothing else."""
    param: Parameter | None = None
    """A parameter of the query; what stands in URLs ends up in logs."""
    cookie: CookieName | None = None
    """A cookie; browsers send it whoever makes them ask, so the workload has to guard against forgery."""


class Jwt(Section):
    """Accept access tokens that are JWTs signed by one issuer."""

    issuer: Annotated[str, Field(min_length=1, examples=["https://idp.example.com/realms/shop"])]
    """The `iss` of the tokens, to the letter."""
    audiences: Annotated[tuple[str, ...], Field(examples=[["shop"]])] = ()
    """The token's `aud` must name one of these."""
    any_audience: bool = False
    """Instead of audiences: accept tokens for anybody, so that every API of the issuer's can use yours."""
    audience_match: AudienceMatch = "any"
    """any, or all: how many of the audiences the token must name."""
    scopes: tuple[ScopeToken, ...] = ()
    """The token must have all of these in one of its claims `scp`, `scope` and `scopes`."""
    scope_strategy: ScopeStrategy = "exact"
    """exact, or as ORY has it: hierarchic (shop grants shop.read) or wildcard (so does shop.*)."""
    token_from: TokenFrom | None = None
    """Where the token is, if not in `Authorization: Bearer`: header, param or cookie, and its name."""
    jwks_uri: KeysUrl = ""
    """Where the keys are; discovered from the issuer (OpenID Connect Discovery) if empty."""
    algorithms: Annotated[tuple[str, ...], Field(min_length=1)] = tuple(sorted(ALGORITHMS))
    """Signature algorithms to accept."""
    leeway: Duration = 60.0
    """Tolerance for clocks that differ."""
    profile: Literal["any", "rfc9068"] = "any"
    """any, or rfc9068: `typ: at+jwt` and all claims of that RFC are required, which few issuers send."""

    def model_post_init(self, _: object) -> None:
        """Symmetric and unsigned tokens are never accepted (RFC 8725 3.1); an audience is said (3.9)."""
        if bool(self.audiences) == self.any_audience:
            raise ValueError("audiences or anyAudience: true is needed, and not both")
        if unknown := sorted(set(self.algorithms) - ALGORITHMS):
            raise ValueError(f"unknown algorithms {', '.join(unknown)}; choose from {sorted(ALGORITHMS)}")


class Introspection(Section):
    """Accept tokens that are no JWTs: the issuer is asked about each (RFC 7662)."""

    issuer: Annotated[str, Field(min_length=1, examples=["https://idp.example.com/realms/shop"])]
    """Who is asked; where its answer names an `iss`, it must be this, to the letter."""
    endpoint: Url | None = None
    """Where to ask; discovered from the issuer if there is none."""
    client_id: Annotated[str, Field(min_length=1, examples=["authz"])]
    """Who we are to the issuer."""
    auth: Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"] = (
        "client_secret_basic"
    )
    """How we show it: client_secret_basic, client_secret_post, private_key_jwt or tls_client_auth."""
    client_secret_file: Annotated[Path | None, Field(examples=["/etc/authz/client-secret"])] = None
    """The secret, for client_secret_basic and client_secret_post."""
    key_file: Path | None = None
    """The private key, PEM, for private_key_jwt and tls_client_auth."""
    cert_file: Path | None = None
    """The certificate, PEM, for tls_client_auth."""
    audiences: tuple[str, ...] = ()
    """The answer's `aud` must name one of these. Empty: any token that the issuer calls active for us."""
    audience_match: AudienceMatch = "any"
    """any, or all: how many of the audiences the answer must name."""
    scopes: tuple[ScopeToken, ...] = ()
    """The answer must name all of these; rules that ask for others take another authorizer."""
    scope_strategy: ScopeStrategy = "exact"
    """exact, hierarchic or wildcard, as for jwt."""
    token_from: TokenFrom | None = None
    """Where the token is, if not in `Authorization: Bearer`: header, param or cookie, and its name."""
    leeway: Duration = 60.0
    """Tolerance for clocks that differ."""
    ttl: Duration = 30.0
    """How long a token is believed active; a revoked one passes for so long, an expired one does not."""
    negative_ttl: Duration = 5.0
    """How long a token is believed not to be."""
    calls: _Calls = 32
    """How many calls may be under way at once."""

    def model_post_init(self, _: object) -> None:
        """The files that the way of showing who we are takes, and no others."""
        given = {
            "clientSecretFile": self.client_secret_file,
            "keyFile": self.key_file,
            "certFile": self.cert_file,
        }
        there, wanted = {name for name, file in given.items() if file}, _FILES[self.auth]
        if missing := sorted(wanted - there):
            raise ValueError(f"auth {self.auth} takes {' and '.join(missing)}")
        if unused := sorted(there - wanted):
            raise ValueError(f"auth {self.auth} has no use for {' and '.join(unused)}")


class Session(Section):
    """Accept browsers that oauth2-proxy has signed in, and send the others to its login."""

    oauth2_proxy: Annotated[Url, Field(examples=["http://oauth2-proxy.auth:4180"])]
    """Where oauth2-proxy (7.15.2 or later) is asked about a session."""
    cookie_name: CookieName = "_oauth2_proxy"
    """Its --cookie-name. One that begins with __Host- can not be set from another host."""
    prefix: PathPrefix = "/oauth2"
    """Its --proxy-prefix: these paths of each protected host are its own."""
    allowed_groups: tuple[Member, ...] = ()
    """Who is signed in must be in one of these groups. Empty: all are welcome."""
    allowed_emails: tuple[Member, ...] = ()
    """Who is signed in must have one of these addresses. Empty: all are welcome."""
    ttl: Duration = 5.0
    """How long an answer serves; keep it well below oauth2-proxy's --cookie-refresh."""
    calls: _Calls = 32
    """How many calls may be under way at once."""


class Anonymous(Section):
    """Let callers without a credential pass, unless they send `Authorization`; a bad one is refused."""

    subject: str = "anonymous"
    """What they are called where others have the claim `sub`. Empty: nothing."""


class Accept(OneOf):
    """One kind of credential."""

    jwt: Jwt | None = None
    introspection: Introspection | None = None
    session: Session | None = None


def check_together(accepts: Iterable[Accept]) -> None:
    """Of one authorizer. Raises ValueError where a credential would not say whom to ask."""
    accepts = list(accepts)
    if len([one for one in accepts if one.introspection]) > 1:
        raise ValueError("one introspection at most: an opaque token does not tell who issued it")
    if len([one for one in accepts if one.session]) > 1:
        raise ValueError("one session at most: a browser is sent to one login")


def check_all(accepts: Iterable[Accept]) -> None:
    """Of all authorizers. Raises ValueError where one oauth2-proxy is described in two ways."""
    known: dict[str, tuple[str, str, int]] = {}
    for session in [one.session for one in accepts if one.session]:
        said = session.cookie_name, session.prefix, session.calls
        if known.setdefault(session.oauth2_proxy.rstrip("/"), said) != said:
            raise ValueError(f"{session.oauth2_proxy} has two values for cookieName, prefix or calls")
