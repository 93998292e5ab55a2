"""Whom an APIRule has to wait for: others' policies that stand yet, though they should not beside its own.

Pure, but for what the world knows. What is said is for its author.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from authz.controller import facts, obstruction
from authz.controller.claims import Subject
from authz.controller.plan import Apply, Phase, admits_less, plan
from authz.controller.world import World
from authz.istio.problem import Invalid
from authz.istio.translate import Resource

_STAYS = "The policies of APIRule {} admit requests to these hosts, and it is not valid"
_HOSTS = "Waits for APIRule {} to leave these hosts"
_PODS = "Waits for APIRule {} to take its policies from these pods"
_UNLIKE = (
    "The policies of APIRule {} have the same pods verify tokens by other keys, or ask another provider, "
    "and stay until it is mended or deleted"
)


@dataclass(frozen=True, slots=True)
class Wait:
    """`roots`: others who wait themselves, or it where somebody's policies have to go or to be judged."""

    message: str
    roots: frozenset[str]


def to_write(key: str, phases: Iterable[Phase], world: World) -> Wait | None:
    """Why nothing of it may be written now: policies of others who can not agree with it, or have not yet.

    Istio takes a token that any of a workload's key sets verifies, and denies all where two are asked.
    """
    applied = (step.resource for phase in phases for step in phase if isinstance(step, Apply))
    unlike = {each for resource in applied for each in world.standing.unlike(resource)}
    found = {(other, root) for other, subject in unlike if (root := _root(key, other, subject, world))}
    if not found:
        return None
    first, _ = min(found)
    message = _UNLIKE if first in world.unguided else _PODS
    return Wait(message.format(first), frozenset(root for _, root in found))


def _root(key: str, other: str, subject: Subject, world: World) -> str:
    """Nothing if there is nobody to wait for: of two that change to the same, neither waits for the other."""
    says, own = (world.claims.of(each).on(subject) for each in (other, key))
    if says != own or not world.is_judged(other):
        return key
    return other if _is_stuck(key, other, world) else ""


def _is_stuck(key: str, other: str, world: World) -> bool:
    """True unless all that the other one waits for is this one, in the end."""
    left, seen = [other] if other in world.unguided else [], {key}
    while left:
        one = left.pop()
        roots = world.unguided.get(one, frozenset([one]))  # found out anew when who waits is looked at again
        if one in roots:
            return True
        left += roots - seen
        seen |= roots
    return False


def to_route(key: str, desired: Sequence[Resource], world: World) -> str:
    """Why no route of it may begin now, or nothing: what others still admit to its hosts."""
    serving = {other for host in world.claims.of(key).hosts for other in world.ownership.serving(host)}
    for other in sorted(obstruction.rivals(key, desired, world)):
        known = world.rules.known.get(other)
        try:
            wanted = facts.gather(known, world).translated if known and not known.deleting else ()
        except Invalid:
            return _STAYS.format(other)
        phases = plan(wanted, world.actual(other, wanted))
        if admits_less(phases) or (phases and other in serving):
            return _HOSTS.format(other)
    return ""
