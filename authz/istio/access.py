"""Who may use a rule, as its author writes it: signed tokens, and authorizers."""

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, model_validator

from authz.istio import cel, headers, syntax
from authz.istio.model import (
    FEW,
    ONE_OR_MORE,
    Audience,
    Header,
    Many,
    Model,
    Scope,
    Text,
    Uri,
    Value,
)
from authz.istio.openapi import Says


class FromHeader(Model):
    """A header that carries the token behind `prefix`."""

    name: Header
    """Name of the header, for example `x-jwt-assertion`."""
    prefix: Annotated[Value, AfterValidator(headers.prefix)] = ""
    """What stands before the token, with its space: `Bearer `. Nothing unless given."""


class Authentication(Model):
    """One issuer of tokens and where its keys are."""

    issuer: Annotated[Uri, AfterValidator(syntax.issuer), Says(cel.ISSUER)]
    """The `iss` claim of the tokens, letter by letter; usually the identity provider's URL."""
    jwks_uri: Annotated[Uri, AfterValidator(syntax.jwks_uri), Says(cel.JWKS_URI)]
    """Where the issuer's public keys are: its discovery document calls it `jwks_uri`."""
    from_headers: Annotated[
        Many[FromHeader], AfterValidator(syntax.at_most_one("fromHeaders")), Says({"maxItems": 1})
    ] = ()
    """The header that holds the token, if it is not `Authorization: Bearer`. One at most."""
    from_params: Annotated[
        Many[Text], AfterValidator(syntax.at_most_one("fromParams")), Says({"maxItems": 1})
    ] = ()
    """The query parameter that holds the token. One at most; tokens in URLs end up in logs."""

    @property
    def terms(self) -> tuple[str, tuple[FromHeader, ...], tuple[str, ...]]:
        """What verifies its tokens, and where they are looked for: Istio takes all that anyone names."""
        return self.jwks_uri, self.from_headers, self.from_params


class Authorization(Model):
    """One way to be authorized: all these scopes and all these audiences."""

    model_config = ConfigDict(json_schema_extra=cel.AUTHORIZATION)

    required_scopes: Annotated[Many[Scope], FEW, ONE_OR_MORE, AfterValidator(syntax.claims("scope"))] = ()
    """The token must have all of these in one of its claims `scp`, `scope` and `scopes`."""
    audiences: Annotated[Many[Audience], FEW, ONE_OR_MORE, AfterValidator(syntax.claims("audience"))] = ()
    """The token's `aud` claim must have all of these."""

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if not self.required_scopes and not self.audiences:
            raise ValueError(syntax.NO_AUTHORIZATION)
        return self


class JwtConfig(Model):
    """Signed tokens: any of the issuers, and any of the authorizations if there are some."""

    authentications: Annotated[Many[Authentication], FEW, AfterValidator(syntax.sources), Says(cel.SOURCES)]
    """The issuers whose tokens are accepted. Across the whole APIRule an issuer has one `jwksUri`."""
    authorizations: (
        Annotated[
            Many[Authorization],
            FEW,
            ONE_OR_MORE,
            AfterValidator(syntax.some("authorizations defined, but no configuration exists")),
        ]
        | None
    ) = None
    """Any one of these suffices. Without them every valid token of the issuers passes."""


class ExtAuth(Model):
    """Authorizers of our configuration, or extension providers of the mesh."""

    authorizers: Annotated[
        Many[Text], FEW, ONE_OR_MORE, AfterValidator(syntax.some("No authorizers defined"))
    ]
    """Names of authorizers in the configuration, or of extension providers in the mesh's. All must
    accept. The mesh allows one provider per workload; ours share one, whatever their number."""
    restrictions: JwtConfig | None = None
    """What the token must be besides: checked by the authorizer, and again at the workload."""
