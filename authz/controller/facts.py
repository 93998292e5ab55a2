"""What an APIRule is translated from: itself, what stands around it, and what has been agreed on its pods.

The same facts give the same objects: to ask whether something has changed takes no second translation.
"""

from dataclasses import dataclass
from functools import cached_property

from authz.controller import obstruction
from authz.controller.held import Rule
from authz.controller.world import World
from authz.istio import translate
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.contests import Terms
from authz.istio.problem import Invalid
from authz.istio.translate import Resource


@dataclass(frozen=True)
class Facts:
    """`revision` stands for the Services and Gateways in `around`, which change in place."""

    apirule: APIRule
    around: Cluster
    terms: Terms
    revision: int

    @cached_property
    def translated(self) -> tuple[Resource, ...]:
        """Raises Invalid."""
        return translate.translate(self.apirule, self.around, self.terms)


def gather(rule: Rule, world: World) -> Facts:
    """As they are now. Raises Invalid."""
    if rule.apirule is None:
        raise Invalid(rule.problems)
    around = world.around(rule.apirule)
    if problems := obstruction.problems(rule.apirule, world):
        raise Invalid(problems)
    return Facts(rule.apirule, around, world.agreements.about(rule.key), world.revision)
