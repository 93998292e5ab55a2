"""What others have to do with an APIRule's hosts: routes already there, policies that admit too much.

Pure, but for what the world knows. Everything else that may be in the way is told by `istio.obstacles`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from authz.controller.held import Object
from authz.controller.world import World
from authz.istio import hosts
from authz.istio.apirule import APIRule
from authz.istio.problem import Problem
from authz.istio.translate import Resource

_LEFT = "Host {} is occupied by APIRule {}, whose last valid version has it"


def problems(apirule: APIRule, world: World) -> list[Problem]:
    """Hosts that somebody serves whose APIRule can not be read any more."""
    found: list[Problem] = []
    for index, host in enumerate(hosts.full(apirule, world.gateways.known)):
        path = f"spec.hosts[{index}]"
        others = sorted(world.ownership.serving(host) - {apirule.key})
        found += [Problem(path, _LEFT.format(host, key)) for key in others if world.is_unreadable(key)]
    return found


def rivals(key: str, desired: Sequence[Resource], world: World) -> set[str]:
    """APIRules whose objects may still admit requests to these hosts on the pods of these policies."""
    found: set[str] = set()
    for host in world.claims.of(key).hosts:
        found |= world.ownership.serving(host)
        admitting = world.ownership.admitting(host)
        found |= {other for other in admitting if _meet(world.actual(other), desired)}
    return found - {key}


def _meet(objects: Iterable[Object], desired: Sequence[Resource]) -> bool:
    """True if some policies may be about the same pods."""
    own = [one for one in desired if one["kind"] == "AuthorizationPolicy"]
    return any(
        one.kind == "AuthorizationPolicy"
        and one.spec.get("action", "ALLOW") == "ALLOW"  # the others admit nobody
        and one.key.partition("/")[0] == other["metadata"]["namespace"]
        and _compatible(_labels(one.spec), _labels(other["spec"]))
        for one in objects
        for other in own
    )


def _labels(spec: Mapping[str, Any]) -> dict[str, str]:
    return dict((spec.get("selector") or {}).get("matchLabels") or {})


def _compatible(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    return all(one[name] == other[name] for name in one.keys() & other.keys())
