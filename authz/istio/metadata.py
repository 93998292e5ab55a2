"""Protected resource metadata (RFC 9728) in the mesh: whether a host has it, and who is asked for it.

The authorizer answers. No ALLOW belongs to it, so that a workload is never reached this way.
"""

from typing import Any

from authz.core import path
from authz.core.metadata import METHODS, WELL_KNOWN
from authz.istio import placement, precedence
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.placement import Placement, Workload

_PATHS = (path.parse(WELL_KNOWN), path.parse(f"{WELL_KNOWN}/{{**}}"))
_RESERVED = "/.well-known/"  # RFC 8615 3: whoever writes this means what is registered there


def answering(apirule: APIRule, cluster: Cluster) -> int | None:
    """The rule whose workload's authorizer answers, or None if the host is not described.

    An author who has rules for it describes the host himself, or means it not to be.
    """
    rules = apirule.spec.rules
    if any(rule.path.text.startswith(_RESERVED) and _meets(rule.path) for rule in rules):
        return None
    ours = [cluster.settings.provider]
    by_gateway = apirule.spec.enforcement == "Gateway"
    return next(
        (
            index
            for index, rule in enumerate(rules)
            if (rule.access if by_gateway else placement.providers(rule, cluster) == ours)
        ),
        None,
    )


def operations(placed: Placement, workload: Workload, own: dict[str, Any]) -> list[dict[str, Any]]:
    """What the authorizer is asked besides the rules, if this is the workload where it answers."""
    if answering(placed.apirule, placed.cluster) not in workload.rules:
        return []
    patterns = [one.text if one.text == WELL_KNOWN else f"{one.text}*" for one in _PATHS]
    return [{"operation": own | {"methods": list(METHODS), "paths": patterns}}]


def matches() -> list[dict[str, Any]]:
    """The requests, as routes have them."""
    method = {"method": {"regex": f"^({'|'.join(METHODS)})$"}}
    return [method | {"uri": uri} for uri in ({"exact": WELL_KNOWN}, {"prefix": f"{WELL_KNOWN}/"})]


def _meets(other: path.Path) -> bool:
    return any(precedence.overlaps(other, one) for one in _PATHS)
