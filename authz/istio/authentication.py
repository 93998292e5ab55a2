"""The RequestAuthentication: which issuers' tokens a workload's sidecar verifies.

It refuses bad tokens only. That there must be one is said by the AuthorizationPolicy.
"""

from typing import Any

from authz.istio import names
from authz.istio.access import Authentication
from authz.istio.placement import Placement, Workload

API_VERSION = "security.istio.io/v1"

# Where no place is named, Istio would also look into ?access_token=, which the authorizer does not
# (RFC 9700 4.3.2: access tokens do not belong into URLs).
_BEARER = {"name": "Authorization", "prefix": "Bearer "}

# Istio splits `scope` at spaces by itself; these it would take whole (Istio 1.28 and later split them).
_SPACE_DELIMITED = ("scp", "scopes")


def build(placed: Placement, workload: Workload) -> list[dict[str, Any]]:
    """One with every issuer that rules of this workload name, or none."""
    rules = [placed.spec.rules[index] for index in workload.rules]
    accepted = {issuer.issuer: issuer for rule in rules for issuer in rule.authentications}
    if not accepted:
        return []
    metadata = names.metadata(placed.apirule, "jwt", workload.namespace, workload.service)
    spec = {
        "selector": {"matchLabels": workload.selector},
        "jwtRules": [_jwt_rule(issuer) for issuer in accepted.values()],
    }
    return [{"apiVersion": API_VERSION, "kind": "RequestAuthentication", "metadata": metadata, "spec": spec}]


def _jwt_rule(issuer: Authentication) -> dict[str, Any]:
    rule = issuer.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    if not (issuer.from_headers or issuer.from_params):
        rule["fromHeaders"] = [_BEARER]
    return rule | {"forwardOriginalToken": True, "spaceDelimitedClaims": list(_SPACE_DELIMITED)}
