"""The cluster as the watches have it, and whom each change concerns.

A snapshot for one APIRule is made of this: what it stands in, and no more.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from authz.controller import held, kinds
from authz.controller.agreements import Agreements
from authz.controller.belongings import Belongings
from authz.controller.claims import NOTHING, Claims, claim
from authz.controller.held import FINALIZER, Foreign, Object, Rule
from authz.controller.kinds import (
    APIRULES,
    AUTHENTICATIONS,
    GATEWAYS,
    POLICIES,
    SERVICES,
    VIRTUAL_SERVICES,
    Document,
    Kind,
)
from authz.controller.watch import Store
from authz.core.policy import Authorizer
from authz.istio import cluster, hosts
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster, Settings
from authz.istio.hosts import Gateway
from authz.istio.services import Service
from authz.istio.strangers import Strangers
from authz.istio.translate import Resource


class World:
    """`concern` is called with each APIRule (`namespace/name`) that has to be looked at again."""

    def __init__(
        self,
        settings: Settings,
        authorizers: Mapping[str, Authorizer],
        identity_headers: Iterable[str],
        concern: Callable[[str], None],
    ) -> None:
        self._concern = concern
        self.rules = Store[Rule](self._read, self._rule_changed)
        self.services = Store[Service](held.service, self._service_changed)
        self.gateways = Store[Gateway](held.gateway, self._gateway_changed)
        self.mesh = Store[dict[str, str] | None](held.providers, self._mesh_changed)
        self.virtual_services = Store[Object | Foreign](held.virtual_service, self._route_changed)
        self.policies = Store[Object](held.emitted, self._object_changed)
        self.authentications = Store[Object](held.emitted, self._object_changed)
        self.claims = Claims()
        configured, _ = cluster.parse([], authorizers, identity_headers, settings)
        self._base = replace(configured, services=self.services.known, gateways=self.gateways.known)
        self.belongings = Belongings()
        self._serving: dict[str, set[str]] = {}  # a host to the virtual services that have it
        self.agreements = Agreements(self.claims, self.belongings, self.owner)
        self.revision = 0  # of the Services and Gateways
        self.unguided = set[str]()  # not valid now, and perhaps served still as their last version
        self._leaving: dict[str, set[str]] = {}  # a host to those who claimed it, and have not let go yet

    @property
    def configured(self) -> Cluster:
        """What the configuration says, with the Services and Gateways there are."""
        return self._base

    @property
    def stores(self) -> Mapping[Kind, Store]:  # type: ignore[type-arg]  # each holds something else
        """What is to be watched."""
        return {
            APIRULES: self.rules,
            SERVICES: self.services,
            GATEWAYS: self.gateways,
            kinds.mesh(self._base.settings.mesh_config): self.mesh,
            VIRTUAL_SERVICES: self.virtual_services,
            POLICIES: self.policies,
            AUTHENTICATIONS: self.authentications,
        }

    @property
    def keys(self) -> set[str]:
        """Every APIRule there is, and every one that has left something behind."""
        return {*self.rules.known, *self.belongings.owners}

    def around(self, apirule: APIRule) -> Cluster:
        """What a translation of it has to know."""
        own = self.claims.of(apirule.key)
        names = {*own.hosts}
        for host in own.hosts:
            names.update(hosts.above(host), self.claims.hosts_below(host))
        owners = {name: owner for name in names if (owner := self.owner(name))}
        return replace(
            self._base,
            providers=self.mesh.known.get(self._base.settings.mesh_config),
            strangers=self._strangers(apirule.key, own.hosts),
            owners=owners,
        )

    def owner(self, host: str) -> APIRule | None:
        """Who serves it already; among several that claim it, the senior."""
        rules = [self.rules[key] for key in self.claims.at_host(host)]
        claiming = [found for rule in rules if (found := rule.apirule) and not rule.deleting]
        serving = {self._owner_of(name) for name in self._serving.get(host, ())}
        holding = [apirule for apirule in claiming if apirule.key in serving]
        return min(holding or claiming, key=lambda apirule: apirule.seniority, default=None)

    def _strangers(self, key: str, names: Iterable[str]) -> Strangers:
        """Who serves a host now was there first, unless we serve it too: whose APIRule is older or not."""
        at = {
            host: tuple(
                replace(one.stranger, since="")
                for name in self._serving.get(host, ())
                if isinstance(one := self.virtual_services.known[name], Foreign)
            )
            for host in names
            if key not in self.serving(host)
        }
        named = isinstance(self.virtual_services.known.get(key), Foreign)
        return Strangers(frozenset([key] if named else ()), at)

    def serving(self, host: str) -> set[str]:
        """APIRules whose VirtualService has it now."""
        return {owner for name in self._serving.get(host, ()) if (owner := self._owner_of(name))}

    def leaving(self, host: str) -> set[str]:
        """APIRules that had it, and whose objects may still say so."""
        return self._leaving.get(host, set())

    def settled(self, key: str) -> None:
        """Its objects say what it says."""
        for host in [host for host, keys in self._leaving.items() if key in keys]:
            self._leaving[host].discard(key)
            if not self._leaving[host]:
                del self._leaving[host]

    def is_unreadable(self, key: str) -> bool:
        """True if there is such an APIRule, and nobody knows what it wants."""
        rule = self.rules.known.get(key)
        return rule is not None and rule.apirule is None

    def actual(self, key: str, desired: Iterable[Resource] = ()) -> list[Object]:
        """Its objects in the cluster: by their labels, or because they bear the names that are desired."""
        found = self.belongings.of(key)
        for resource in desired:
            one = self._find(resource)
            if isinstance(one, Object):
                found[one.id] = one
        rule = self.rules.known.get(key)
        return [one for one in found.values() if not (rule and rule.leaves(*one.id))]

    def store(self, kind: str) -> Store:  # type: ignore[type-arg]
        """Of one of the kinds that are emitted."""
        if kind == VIRTUAL_SERVICES.name:
            return self.virtual_services
        return self.policies if kind == POLICIES.name else self.authentications

    def _find(self, resource: Resource) -> object:
        return self.store(resource["kind"]).known.get(kinds.key(resource))

    def _owner_of(self, name: str) -> str:
        one = self.virtual_services.known.get(name)
        return one.owner if isinstance(one, Object) else ""

    def _read(self, document: Document) -> Rule:
        return held.rule(document, self.rules.known.get(kinds.key(document)))

    def _rule_changed(self, key: str, old: Rule | None, new: Rule | None) -> None:
        self._reclaim(key)
        if old is None or new is None or _differs(old, new):
            self._concern(key)

    def _reclaim(self, key: str) -> None:
        known = self.rules.known.get(key)
        old = self.claims.of(key)
        new = claim(known.apirule, self._base) if known and known.apirule else NOTHING
        if new != old:
            self.claims.put(key, new)
            self.agreements.changed(key, old, new)
            for host in set(old.hosts) - set(new.hosts) if self.belongings.of(key) else ():
                self._leaving.setdefault(host, set()).add(key)
            for other in self.claims.touched(old, new) - {key}:
                self._concern(other)

    def _service_changed(self, key: str, old: object, new: object) -> None:
        if old != new:
            self.revision += 1
            self._reconsider({*self.claims.at_service(key), *self.unguided})

    def _gateway_changed(self, key: str, old: object, new: object) -> None:
        if old != new:
            self.revision += 1
            self._reconsider({*self.claims.at_gateway(key), *self.unguided})

    def _mesh_changed(self, _: str, old: object, new: object) -> None:
        if old != new:
            self._reconsider(self.rules.known)

    def _reconsider(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self._reclaim(key)
            self._concern(key)

    def _route_changed(self, key: str, old: Object | Foreign | None, new: Object | Foreign | None) -> None:
        before, after = _hosts(old), _hosts(new)
        for host in before - after:
            self._serving[host].discard(key)
            if not self._serving[host]:
                del self._serving[host]
        for host in after - before:
            self._serving.setdefault(host, set()).add(key)
        self._object_changed(
            key, old if isinstance(old, Object) else None, new if isinstance(new, Object) else None
        )
        own = {one.owner for one in (old, new) if isinstance(one, Object)}
        concerned = {other for host in before ^ after for other in self.claims.at_host(host)} - own
        if not own and key in self.rules.known:
            concerned.add(key)  # its namesake has come, or gone
        for owner in own if before != after else ():
            concerned |= self.claims.differing(self.claims.of(owner).terms)
        for other in concerned:
            self._concern(other)

    def _object_changed(self, _: str, old: Object | None, new: Object | None) -> None:
        for owner in self.belongings.changed(old, new):
            self._concern(owner)


def _differs(old: Rule, new: Rule) -> bool:
    """In what a reconciliation depends on. The status is our own to write."""
    held_before, held_now = FINALIZER in old.finalizers, FINALIZER in new.finalizers
    return _version(old) != _version(new) or (held_before and not held_now)


def _version(rule: Rule) -> tuple[object, ...]:
    """An annotation, which the migration is, changes no generation."""
    return rule.uid, rule.generation, rule.deleting, rule.migration


def _hosts(one: Object | Foreign | None) -> set[str]:
    match one:
        case Foreign(hosts=hosts):
            return set(hosts)
        case Object():
            return set(one.spec.get("hosts") or ())
        case None:
            return set()
