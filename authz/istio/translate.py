"""The controller's line: an APIRule and what is known of its cluster become Istio's objects.

Read this file and you have read it. The guards come first, the route that needs them last.
"""

from typing import Any

from authz.istio import authentication, obstacles, policies, target, virtualservice
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.problem import Invalid
from authz.istio.target import Target

Resource = dict[str, Any]


def translate(rule: APIRule, cluster: Cluster) -> tuple[Resource, ...]:
    """In the order in which they are to be applied. Raises Invalid with every obstacle."""
    if problems := obstacles.problems(rule, cluster):
        raise Invalid(problems)
    aim = target.find(rule, cluster)
    guards = [policies.at_gateway(aim)] if rule.spec.enforcement == "Gateway" else _at_workloads(aim)
    return (*guards, virtualservice.build(aim))


def _at_workloads(aim: Target) -> list[Resource]:
    return [
        *(one for workload in aim.workloads for one in authentication.build(aim, workload)),
        *(one for workload in aim.workloads for one in policies.custom(aim, workload)),
        *(policies.allow(aim, workload) for workload in aim.workloads),
    ]
