"""The controller's line: an APIRule and what is known of its cluster become Istio's objects.

Read this file and you have read it. The guards come first, the route that needs them last.
"""

from typing import Any

from authz.istio import authentication, migration, obstacles, placement, policies, virtualservice
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.contests import Terms
from authz.istio.placement import Placement
from authz.istio.problem import Invalid

Resource = dict[str, Any]


def translate(apirule: APIRule, cluster: Cluster, terms: Terms | None = None) -> tuple[Resource, ...]:
    """In the order in which they are to be applied. Raises Invalid with every obstacle."""
    if problems := obstacles.problems(apirule, cluster, terms):
        raise Invalid(problems)
    placed = placement.find(apirule, cluster)
    by_gateway = apirule.spec.enforcement == "Gateway"
    guards = [policies.at_gateway(placed)] if by_gateway else _at_workloads(placed)
    return migration.standing(apirule.migration, [*guards, virtualservice.build(placed)])


def _at_workloads(placed: Placement) -> list[Resource]:
    return [
        *(made for workload in placed.workloads for made in authentication.build(placed, workload)),
        *(made for workload in placed.workloads for made in policies.custom(placed, workload)),
        *(policies.allow(placed, workload) for workload in placed.workloads),
    ]
