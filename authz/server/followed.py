"""The policy of a cluster: its APIRules as the controller has taken them, kept up to date one by one.

What the controller has not taken is not enforced as if it were valid. An edit tightens at once and loosens
once it is taken: until then a request has to pass by the old version and by the new.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from authz.controller import held, kinds, status
from authz.controller.held import Rule
from authz.controller.kinds import Document
from authz.controller.watch import Store
from authz.core.policy import Authorizer, Host, Policy
from authz.istio import cluster, hosts, policy
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster, Settings
from authz.istio.hosts import Gateway


@dataclass(slots=True)
class _Known:
    """`taken` is the last version that the controller took, `coming` one that it has not judged yet.

    Of the former it took these hosts, or all: a Gateway's domain may have become another since.
    """

    taken: APIRule | None = None
    coming: APIRule | None = None
    accepted: frozenset[str] | None = None
    hosts: dict[str, Host] = field(default_factory=dict)


class Followed:
    """`changed` is called when the policy is another."""

    def __init__(
        self, authorizers: Mapping[str, Authorizer], settings: Settings, changed: Callable[[], None]
    ) -> None:
        self.rules = Store[Rule](self._read, self._rule_changed)
        self.gateways = Store[Gateway](held.gateway, self._gateway_changed)
        self._changed = changed
        self._configure(authorizers, settings)
        self._known: dict[str, _Known] = {}
        self._claims: dict[str, dict[str, Host]] = {}  # a host to those who want it; the first has it

    @property
    def policy(self) -> Policy:
        """As it is now: a value, which does not change any more."""
        first = {name: next(iter(claims.values())) for name, claims in self._claims.items()}
        return Policy(first, self._identity_headers)

    @property
    def cluster(self) -> Cluster:
        """As far as it is known here: its Gateways."""
        return self._cluster

    @property
    def apirules(self) -> list[APIRule]:
        """All that are enforced, in whatever version."""
        return [
            version
            for known in self._known.values()
            for version in (known.taken, known.coming)
            if version is not None
        ]

    @property
    def problems(self) -> list[str]:
        """APIRules of which no version is enforced, for the last one was refused."""
        return [
            f"{key}: the controller has refused generation {self.rules[key].generation}"
            for key, known in self._known.items()
            if known.taken is None and known.coming is None
        ]

    def configure(self, authorizers: Mapping[str, Authorizer], settings: Settings) -> None:
        """The configuration has changed."""
        self._configure(authorizers, settings)
        self._reconsider()

    def _configure(self, authorizers: Mapping[str, Authorizer], settings: Settings) -> None:
        headers = self._identity_headers = policy.identity_headers(authorizers.values())
        self._authorizers = authorizers
        around, _ = cluster.parse([], authorizers, headers, settings)
        self._cluster = replace(around, gateways=self.gateways.known)

    def _read(self, document: Document) -> Rule:
        return held.rule(document, self.rules.known.get(kinds.key(document)))

    def _rule_changed(self, key: str, _: Rule | None, new: Rule | None) -> None:
        known = self._known.setdefault(key, _Known())
        if new:
            self._judge(known, new)
            self._claim(key, known, self._wanted(known, new))
        else:
            self._claim(key, known, {})
            del self._known[key]
        self._changed()

    def _judge(self, known: _Known, rule: Rule) -> None:
        told = json.loads(rule.status)
        judged = told.get("observedGeneration") == rule.generation
        if rule.apirule is None or (judged and not status.is_accepted(told, rule.generation)):
            known.taken = known.coming = None
        elif judged:
            known.taken, known.coming = rule.apirule, None
            known.accepted = status.accepted_hosts(told)
        else:
            known.coming = rule.apirule

    def _wanted(self, known: _Known, rule: Rule) -> dict[str, Host]:
        """Hosts of what is not enforced are refused: a wildcard of somebody else's must not serve them."""
        found = {name: Host(name, ()) for name in self._named(rule)}
        coming = self._hosts(known.coming)
        for name, host in self._hosts(known.taken).items():
            if known.accepted is None or name in known.accepted:
                found[name] = replace(host, coming=coming.get(name, Host(name, ()))) if known.coming else host
        return found

    def _named(self, rule: Rule) -> tuple[str, ...]:
        """Hosts that it may have at all, also where it can not be read."""
        if rule.apirule:
            return hosts.admitted(rule.apirule, self.gateways.known)
        gateway, namespace = self.gateways.known.get(rule.gateway), rule.key.partition("/")[0]
        return hosts.served(gateway, rule.gateway, namespace, rule.hosts) if gateway else ()

    def _claim(self, key: str, known: _Known, found: dict[str, Host]) -> None:
        """Who has a host keeps it, unless he has no rules for it."""
        for name in known.hosts.keys() - found.keys():
            del self._claims[name][key]
            if not self._claims[name]:
                del self._claims[name]
        for name, host in found.items():
            claims = self._claims.setdefault(name, {})
            claims[key] = host
            if len(claims) > 1:
                self._claims[name] = dict(sorted(claims.items(), key=lambda claim: not claim[1].rules))
        known.hosts = found

    def _hosts(self, apirule: APIRule | None) -> Mapping[str, Host]:
        return policy.build([apirule], self._authorizers, self._cluster).hosts if apirule else {}

    def _gateway_changed(self, _: str, old: Gateway | None, new: Gateway | None) -> None:
        if old != new:
            self._reconsider()

    def _reconsider(self) -> None:
        for key, known in self._known.items():
            self._claim(key, known, self._wanted(known, self.rules[key]))
        self._changed()
