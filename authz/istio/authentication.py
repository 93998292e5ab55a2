"""The RequestAuthentication: which issuers' tokens a workload's sidecar verifies.

It refuses bad tokens only. That there must be one is said by the AuthorizationPolicy.
"""

from typing import Any

from authz.istio import names
from authz.istio.schema import Authentication
from authz.istio.target import Target, Workload

API_VERSION = "security.istio.io/v1"

# Istio splits `scope` at spaces by itself; these it would take whole (Istio 1.28 and later split them).
_SPACE_DELIMITED = ("scp", "scopes")


def build(aim: Target, workload: Workload) -> list[dict[str, Any]]:
    """One with every issuer that rules of this workload name, or none."""
    rules = [aim.rule.spec.rules[index] for index in workload.rules]
    accepted = {one.keys: one for rule in rules for one in rule.authentications}
    if not accepted:
        return []
    metadata = names.metadata(aim.rule, "jwt", workload.namespace, workload.service)
    spec = {
        "selector": {"matchLabels": workload.selector},
        "jwtRules": [_jwt_rule(one) for one in accepted.values()],
    }
    return [{"apiVersion": API_VERSION, "kind": "RequestAuthentication", "metadata": metadata, "spec": spec}]


def _jwt_rule(one: Authentication) -> dict[str, Any]:
    rule = one.model_dump(by_alias=True, exclude_defaults=True, mode="json")
    return rule | {"forwardOriginalToken": True, "spaceDelimitedClaims": list(_SPACE_DELIMITED)}
