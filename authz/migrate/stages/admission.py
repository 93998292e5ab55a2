"""The policy that keeps a workload's callers where the first ALLOW would shut them out.

An ALLOW refuses all that it does not name. Before the switch everyone of before is admitted; from then on
everyone but the gateway, whose requests have to pass the new rules; and it may stay when all is done.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from authz.controller.kinds import Document, Kind
from authz.istio import authentication
from authz.migrate.stages.saved import MANAGED

POLICIES = Kind(authentication.API_VERSION, "AuthorizationPolicy", "authorizationpolicies")

EVERYONE, IN_CLUSTER = "everyone", "in-cluster"


@dataclass(frozen=True, slots=True)
class Admission:
    """Of one Service, `namespace/name`, of one APIRule, whose hosts at the gateway are `authorities`."""

    apirule: str
    service: str
    selector: Mapping[str, str]
    principal: str
    authorities: tuple[str, ...]

    @property
    def name(self) -> str:
        """Of the policy: APIRules of several namespaces may lead to one Service."""
        digest = sha256(f"{self.apirule} {self.service}".encode()).hexdigest()[:8]
        return f"{self.apirule.partition('/')[2]}-in-cluster-{digest}"

    @property
    def key(self) -> str:
        """Of the policy, `namespace/name`."""
        return f"{self.service.partition('/')[0]}/{self.name}"

    def document(self, whom: str) -> Document:
        """EVERYONE still leaves other hosts at the gateway to other APIRules of the same workload."""
        rules: list[Document] = [{"from": [{"source": {"notPrincipals": [self.principal]}}]}]
        if whom == EVERYONE:
            to = [{"operation": {"hosts": list(self.authorities)}}]
            rules.append({"from": [{"source": {"principals": [self.principal]}}], "to": to})
        metadata = {"name": self.name, "namespace": self.service.partition("/")[0], "labels": dict(MANAGED)}
        spec = {"selector": {"matchLabels": dict(self.selector)}, "action": "ALLOW", "rules": rules}
        return {
            "apiVersion": POLICIES.api_version,
            "kind": POLICIES.name,
            "metadata": metadata,
            "spec": spec,
        }
