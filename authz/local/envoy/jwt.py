"""RequestAuthentications as Envoy's jwt_authn: a token may be missing, but one that is sent must be valid.

Refusing a missing token is not its business: that is what AuthorizationPolicies are for.
"""

from collections.abc import Mapping, Sequence
from operator import methodcaller

from envoy_data_plane.envoy.config.core.v3 import DataSource
from envoy_data_plane.envoy.config.route.v3 import RouteMatch
from envoy_data_plane.envoy.extensions.filters.http.jwt_authn.v3 import (
    JwtAuthentication,
    JwtHeader,
    JwtProvider,
    JwtProviderNormalizePayload,
    JwtRequirement,
    JwtRequirementAndList,
    JwtRequirementOrList,
    RequirementRule,
)
from envoy_data_plane.google.protobuf import Empty

from authz.local.envoy.document import Document, Node
from authz.local.envoy.rbac import PAYLOAD

SPACE_DELIMITED = ("permission", "scope")  # istiod splits these whatever the rule says

# Stands where a JWKS could not be fetched, so that every token of the issuer is refused. The point's
# x is SHA-256("authz: nobody holds this key"), so nobody knows its private key.
NO_KEY = """{"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": "none",
  "x": "U6Q5jKpATxroTttPxGOLrg6A1YV6XacYVCrmP1LCv28", "y": "ByqhvqBCAA3lDBFm9yjY_cOodb1fj-3hNw3FhsO2Ce0"}]}"""


def authentication(documents: Sequence[Document], jwks: Mapping[str, str]) -> JwtAuthentication | None:
    """The filter's configuration for the RequestAuthentications of one proxy, if there are any."""
    rules = [
        rule
        for document in documents
        for rule in document.spec.only("selector", "jwtRules").nodes("jwtRules")
    ]
    if not rules:
        return None
    rules.sort(key=methodcaller("text", "issuer"))
    providers = {f"origins-{index}": _provider(rule, jwks) for index, rule in enumerate(rules)}
    everywhere = RequirementRule(match=RouteMatch(prefix="/"), requires=_requirement(list(providers)))
    return JwtAuthentication(providers=providers, rules=[everywhere], bypass_cors_preflight=True)


def _provider(rule: Node, jwks: Mapping[str, str]) -> JwtProvider:
    rule.only(
        "issuer",
        "audiences",
        "jwksUri",
        "jwks",
        "fromHeaders",
        "fromParams",
        "forwardOriginalToken",
        "spaceDelimitedClaims",
    )
    split = dict.fromkeys((*SPACE_DELIMITED, *rule.texts("spaceDelimitedClaims")))
    keys = rule.text("jwks") or jwks.get(rule.text("jwksUri"), NO_KEY)
    return JwtProvider(
        issuer=rule.text("issuer"),
        audiences=list(rule.texts("audiences")),
        local_jwks=DataSource(inline_string=keys),
        from_headers=[_header(header) for header in rule.nodes("fromHeaders")],
        from_params=list(rule.texts("fromParams")),
        forward=rule.flag("forwardOriginalToken"),
        payload_in_metadata=PAYLOAD,
        normalize_payload_in_metadata=JwtProviderNormalizePayload(space_delimited_claims=list(split)),
    )


def _header(header: Node) -> JwtHeader:
    header.only("name", "prefix")
    return JwtHeader(name=header.text("name"), value_prefix=header.text("prefix"))


def _requirement(providers: list[str]) -> JwtRequirement:
    """One valid token is enough; tokens of several issuers must each be valid or missing."""
    each = [JwtRequirement(provider_name=name) for name in providers]
    optional = [_any([one, JwtRequirement(allow_missing=Empty())]) for one in each]
    if len(optional) == 1:
        return optional[0]
    return _any([*each, JwtRequirement(requires_all=JwtRequirementAndList(requirements=optional))])


def _any(requirements: list[JwtRequirement]) -> JwtRequirement:
    return JwtRequirement(requires_any=JwtRequirementOrList(requirements=requirements))
