"""What APIRules that share pods have to agree on, and who has settled it: whoever is in place.

Istio takes a token that any of a workload's key sets verifies, and denies everything where two providers
guard one workload; so a newcomer has to agree, however old it is.
"""

from collections.abc import Callable, Mapping

from authz.controller.belongings import Belongings
from authz.controller.claims import Claim, Claims, Subject
from authz.controller.held import Object
from authz.istio.apirule import APIRule
from authz.istio.contests import Settled, Terms
from authz.istio.placement import Pods


class Agreements:
    """`owner` says whose a host is."""

    def __init__(
        self, claims: Claims, belongings: Belongings, owner: Callable[[str], APIRule | None]
    ) -> None:
        self._claims = claims
        self._belongings = belongings
        self._owner = owner
        self._firsts: dict[Subject, str] = {}

    def about(self, key: str) -> Terms:
        """What has been settled of the pods that an APIRule leads to, and by whom."""
        providers, issuers = dict[Pods, Settled](), dict[Subject, Settled]()
        for subject in self._claims.of(key).subjects:
            first, (pods, issuer) = self._first(subject, key), subject
            for value in self._claims.of(first).on(subject):
                if issuer:
                    issuers[subject] = Settled(value, first)
                else:
                    providers[pods] = Settled(value, first)
        return Terms(providers, issuers)

    def changed(self, key: str, old: Claim, new: Claim) -> None:
        """Whoever says something else now has to agree with the others."""
        for subject in old.subjects:
            if self._firsts.get(subject) == key and old.on(subject) != new.on(subject):
                del self._firsts[subject]

    def _first(self, subject: Subject, asks: str) -> str:
        """Remembered as long as he is served: thousands ask one after the other.

        Who is not in place yet gives way to one who asks and is: he would wait for those guards for ever.
        """
        first = self._firsts.get(subject, "")
        if first != asks and not self._stands(first, subject) and self._stands(asks, subject):
            first = ""
        if not self._served(first):
            served = [key for key in self._claims.about(subject) if self._served(key)]
            first = min(served, key=lambda key: self._rank(key, subject), default="")
            self._firsts[subject] = first
        return first

    def _served(self, key: str) -> tuple[str, str] | None:
        """Its seniority, if some host is its own: a refused APIRule settles nothing."""
        owners = (self._owner(host) for host in self._claims.of(key).hosts)
        return next((owner.seniority for owner in owners if owner and owner.key == key), None)

    def _rank(self, key: str, subject: Subject) -> tuple[bool, bool, tuple[str, str] | None]:
        """Whose guard stands comes first, then who is at home there, then the senior."""
        (namespace, _), _ = subject
        return not self._stands(key, subject), key.partition("/")[0] != namespace, self._served(key)

    def _stands(self, key: str, subject: Subject) -> bool:
        """Its guard is there, and says of the provider what it says now."""
        (namespace, labels), issuer = subject
        said = self._claims.of(key).on(subject)
        guards = self._belongings.of(key).values()
        return any(_settles(one, namespace, dict(labels), issuer, said) for one in guards)


def _settles(
    one: Object, namespace: str, labels: Mapping[str, str], issuer: str, providers: set[object]
) -> bool:
    """True if it is the guard of these pods that names the issuer; without one, the provider."""
    spec = one.spec
    selector = (spec.get("selector") or {}).get("matchLabels") or {}
    if one.key.partition("/")[0] != namespace or selector != labels:
        return False
    if issuer:
        return any(rule.get("issuer") == issuer for rule in spec.get("jwtRules") or ())
    return spec.get("action") == "CUSTOM" and (spec.get("provider") or {}).get("name") in providers
