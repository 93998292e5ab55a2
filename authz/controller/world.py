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
from authz.controller.ownership import Ownership
from authz.controller.standing import Standing
from authz.controller.watch import Store
from authz.core.policy import Authorizer
from authz.istio import cluster, hosts
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster, Settings
from authz.istio.hosts import Gateway
from authz.istio.services import Service
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
        self.concern = concern
        self.rules = Store[Rule](self._read, self._rule_changed)
        self.services = Store[Service](held.service, self._service_changed)
        self.gateways = Store[Gateway](held.gateway, self._gateway_changed)
        self.mesh = Store[dict[str, str] | None](held.providers, self._mesh_changed)
        self.virtual_services = Store[Object | Foreign](held.virtual_service, self._route_changed)
        self.policies = Store[Object](held.emitted, self._policy_changed)
        self.authentications = Store[Object](held.emitted, self._object_changed)
        self.claims = Claims()
        configured, _ = cluster.parse([], authorizers, identity_headers, settings)
        self._base = replace(configured, services=self.services.known, gateways=self.gateways.known)
        self.belongings = Belongings()
        self.standing = Standing()
        self.ownership = Ownership(
            self.claims, self.rules.known, self.virtual_services.known, self.policies.known
        )
        self.agreements = Agreements(self.claims, self.belongings, self.ownership.owner)
        self.revision = 0  # of the Services and Gateways
        # Not valid now, and perhaps served still as their last version; or for whom they wait with the next.
        self.unguided: dict[str, frozenset[str]] = {}
        self.judged: dict[str, APIRule | None] = {}  # in the version that was looked at last

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
        owners = {name: owner for name in names if (owner := self.ownership.owner(name))}
        return replace(
            self._base,
            providers=self.mesh.known.get(self._base.settings.mesh_config),
            strangers=self.ownership.strangers(apirule.key, own.hosts),
            owners=owners,
        )

    def is_unreadable(self, key: str) -> bool:
        """True if there is such an APIRule, and nobody knows what it wants."""
        rule = self.rules.known.get(key)
        return rule is not None and rule.apirule is None

    def is_judged(self, key: str) -> bool:
        """True if it was found out whether this version of it can be, and it is to stay."""
        rule = self.rules.known.get(key)
        return rule is not None and not rule.deleting and self.judged.get(key) is rule.apirule

    def forget(self, key: str) -> None:
        """There is no such APIRule any more."""
        self.unguided.pop(key, None)
        self.judged.pop(key, None)

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

    def _read(self, document: Document) -> Rule:
        return held.rule(document, self.rules.known.get(kinds.key(document)))

    def _rule_changed(self, key: str, old: Rule | None, new: Rule | None) -> None:
        self._reclaim(key)
        if old is None or new is None or _differs(old, new):
            self.concern(key)
        if _is_readable(old) != _is_readable(new):
            for other in self._beside(key) - {key}:
                self.concern(other)

    def _beside(self, key: str) -> set[str]:
        """Who claims what it serves: that is nobody's while nobody knows what it wants."""
        routes = (one for one in self.belongings.of(key).values() if one.kind == VIRTUAL_SERVICES.name)
        served = {host for one in routes for host in one.spec.get("hosts") or ()}
        return {other for host in served for other in self.claims.at_host(host)}

    def _reclaim(self, key: str) -> None:
        known = self.rules.known.get(key)
        old = self.claims.of(key)
        new = claim(known.apirule, self._base) if known and known.apirule else NOTHING
        concerned = set[str]()
        if new != old:
            self.claims.put(key, new)
            self.agreements.changed(key, old, new)
            concerned |= self.claims.differing(old.terms ^ new.terms)
        concerned |= self.ownership.moved({*old.hosts, *new.hosts})
        for other in concerned - {key}:
            self.concern(other)

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
            self.concern(key)

    def _route_changed(self, key: str, old: Object | Foreign | None, new: Object | Foreign | None) -> None:
        moved = self.ownership.routed(key, old, new)
        self._object_changed(
            key, old if isinstance(old, Object) else None, new if isinstance(new, Object) else None
        )
        own = {one.owner for one in (old, new) if isinstance(one, Object)}
        concerned = {other for host in moved for other in self.claims.at_host(host)} - own
        if not own and key in self.rules.known:
            concerned.add(key)  # its namesake has come, or gone
        for other in concerned | self.ownership.moved(moved):
            self.concern(other)

    def _policy_changed(self, key: str, old: Object | None, new: Object | None) -> None:
        self.ownership.guarded(key, old, new)
        self._object_changed(key, old, new)

    def _object_changed(self, _: str, old: Object | None, new: Object | None) -> None:
        self.standing.changed(old, new)
        for owner in self.belongings.changed(old, new):
            self.concern(owner)


def _is_readable(rule: Rule | None) -> bool:
    return rule is not None and rule.apirule is not None


def _differs(old: Rule, new: Rule) -> bool:
    """In what a reconciliation depends on. The status is our own to write."""
    held_before, held_now = FINALIZER in old.finalizers, FINALIZER in new.finalizers
    return _version(old) != _version(new) or (held_before and not held_now)


def _version(rule: Rule) -> tuple[object, ...]:
    """An annotation, which the migration is, changes no generation, and may be what can not be read."""
    return rule.uid, rule.generation, rule.deleting, rule.migration, rule.problems
