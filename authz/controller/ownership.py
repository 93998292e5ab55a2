"""Whose each host is: of those that claim it, who serves it already; else the senior.

Only when that changes it concerns others: to claim what somebody else has, again and again, wakes nobody.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from authz.controller.claims import Claims, Index
from authz.controller.held import Foreign, Object, Rule
from authz.istio import hosts
from authz.istio.apirule import APIRule
from authz.istio.strangers import Stranger, Strangers

Route = Object | Foreign


class Ownership:
    """`rules`, `routes` and `policies` are what is known by now, and change in place."""

    def __init__(
        self,
        claims: Claims,
        rules: Mapping[str, Rule],
        routes: Mapping[str, Route],
        policies: Mapping[str, Object],
    ) -> None:
        self._claims = claims
        self._rules = rules
        self._routes = routes
        self._policies = policies
        self._serving = Index[str]()  # a host to the VirtualServices that have it
        self._admitting = Index[str]()  # and to the policies that name it
        self._owners: dict[str, tuple[str, str]] = {}  # as they have been told

    def owner(self, host: str) -> APIRule | None:
        """Who serves it already; among several that claim it, the senior."""
        rules = [self._rules[key] for key in self._claims.at_host(host)]
        claiming = [found for rule in rules if (found := rule.apirule) and not rule.deleting]
        serving = self.serving(host)
        holding = [apirule for apirule in claiming if apirule.key in serving]
        return min(holding or claiming, key=lambda apirule: apirule.seniority, default=None)

    def serving(self, host: str) -> set[str]:
        """APIRules whose VirtualService has it now."""
        routes = (self._routes[name] for name in self._serving[host])
        return {one.owner for one in routes if isinstance(one, Object)}

    def strangers(self, key: str, names: Iterable[str]) -> Strangers:
        """Who serves a host now was there first, unless we serve it too: whose APIRule is older or not."""
        at = {
            host: tuple(
                replace(one.stranger, since="")
                for name in sorted(self._serving[host])
                if isinstance(one := self._routes[name], Foreign)
            )
            for host in names
            if key not in self.serving(host)
        }
        named = isinstance(self._routes.get(key), Foreign)
        return Strangers(frozenset([key] if named else ()), at)

    def admitting(self, host: str) -> set[str]:
        """APIRules whose policies admit requests to it, whatever they claim by now."""
        names = (host, *hosts.above(host))
        return {self._policies[key].owner for name in names for key in self._admitting[name]}

    def guarded(self, key: str, old: Object | None, new: Object | None) -> None:
        """An AuthorizationPolicy has changed."""
        self._admitting.move(key, _admitted(old), _admitted(new))

    def routed(self, name: str, old: Route | None, new: Route | None) -> set[str]:
        """The hosts that a VirtualService serves now and did not, or serves otherwise, or no more."""
        before, after = _served(old), _served(new)
        self._serving.move(name, before, after)
        return {host for host in before.keys() | after.keys() if before.get(host) != after.get(host)}

    def moved(self, names: Iterable[str]) -> set[str]:
        """Whom it concerns that these may be somebody else's by now."""
        found: set[str] = set()
        for host in names:
            old, owner = self._owners.pop(host, None), self.owner(host)
            new = (owner.key, owner.spec.enforcement) if owner else None
            if new:
                self._owners[host] = new
            if new != old:
                found |= self._claims.around(host)
                for key, _ in filter(None, (old, new)):  # who owns no host settles nothing
                    found |= self._claims.differing(self._claims.of(key).terms)
        return found


def _served(one: Route | None) -> dict[str, Stranger | str]:
    """Its hosts, each with who that is; a stranger may come to another Gateway."""
    match one:
        case Foreign(stranger=stranger, hosts=names):
            return dict.fromkeys(names, stranger)
        case Object(owner=owner):
            return dict.fromkeys(one.spec.get("hosts") or (), owner)
        case None:
            return {}


def _admitted(one: Object | None) -> set[str]:
    """The hosts that it names, each without a port; a CUSTOM admits nobody."""
    spec = one.spec if one else {}
    if spec.get("action", "ALLOW") != "ALLOW":
        return set()
    operations = [
        to.get("operation") or {} for rule in spec.get("rules") or () for to in rule.get("to") or ()
    ]
    return {host for operation in operations for host in operation.get("hosts") or () if ":" not in host}
