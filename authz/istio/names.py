"""What emitted objects are called and labelled: the same input always gives the same names.

The labels are Kyma's, so that whoever looks for an APIRule's objects by them still finds them.
"""

from hashlib import sha256
from typing import Any

from authz.istio.apirule import GROUP, APIRule

OWNER_NAME = f"apirule.{GROUP}/name"
OWNER_NAMESPACE = f"apirule.{GROUP}/namespace"

HASH_LENGTH = (
    32  # hexadecimal digits: with 8, a namespace can be found whose APIRule takes another one's names
)

COMMON = {  # what Kyma marks its objects with
    "kyma-project.io/module": "api-gateway",
    "app.kubernetes.io/managed-by": "api-gateway",
    "app.kubernetes.io/component": "api-gateway",
    "app.kubernetes.io/part-of": "api-gateway",
}


def labels(apirule: APIRule) -> dict[str, str]:
    """Owner labels stand in for ownerReferences, which can not cross namespaces."""
    return {OWNER_NAME: apirule.name, OWNER_NAMESPACE: apirule.namespace} | COMMON


def metadata(apirule: APIRule, role: str, namespace: str, service: str = "") -> dict[str, Any]:
    """Of an object that guards `service`, in the namespace where it must stand."""
    return {"name": _name(apirule, role, service), "namespace": namespace, "labels": labels(apirule)}


def _name(apirule: APIRule, role: str, service: str) -> str:
    """`<apirule>-<role>-<hash>`: rules of two namespaces may guard services in a third."""
    identity = f"{apirule.key} {service}"  # no part can hold a space
    return f"{apirule.name}-{role}-{sha256(identity.encode()).hexdigest()[:HASH_LENGTH]}"
