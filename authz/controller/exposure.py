"""Routes of an APIRule that is not valid any more: whether the guards of its last version still stand.

What is not valid is not repaired, for nobody can tell how it should be: a route without guards goes.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from authz.controller.held import Object
from authz.controller.kinds import POLICIES, VIRTUAL_SERVICES
from authz.controller.world import World

_LOCAL = ".svc.cluster.local"


def routes(key: str, world: World) -> list[Object]:
    """Of an APIRule: what makes it be served. Ours bears its name; Kyma's do not, and may lead elsewhere."""
    return [one for one in world.actual(key) if one.id == (VIRTUAL_SERVICES.name, key)]


def is_exposed(key: str, world: World) -> bool:
    """True if requests may pass a route of it that its last version would have stopped."""
    serving = routes(key, world)
    if not serving:
        return False
    if not world.belongings.are_guarded(key) or any(_shared(key, one, world) for one in serving):
        return True
    policies = [one for one in world.actual(key) if one.kind == POLICIES.name]
    allowing = [one for one in policies if one.spec.get("action", "ALLOW") == "ALLOW"]
    if not allowing:  # enforcement Gateway, or a workload has lost all that it had
        return not any(_at_gateway(one, world) for one in policies) or any(
            _moved(one, world) for one in serving
        )
    guarded = [(one.key.partition("/")[0], _labels(one.spec)) for one in allowing]
    return any(_unguarded(service, guarded, world) for one in serving for service in _services(one, world))


def _shared(key: str, route: Object, world: World) -> bool:
    """Istio merges the routes of two APIRules: of a host that is another's by now, this one goes."""
    found = (
        (world.ownership.owner(host), world.ownership.serving(host) - {key})
        for host in route.spec.get("hosts") or ()
    )
    return any(owner is not None and owner.key in others for owner, others in found)


def _at_gateway(policy: Object, world: World) -> bool:
    """True if it has the gateway ask about every request."""
    settings = world.configured.settings
    namespace, selector = policy.key.partition("/")[0], _labels(policy.spec)
    return (namespace, selector) == (settings.gateway_namespace, dict(settings.gateway_selector))


def _moved(route: Object, world: World) -> bool:
    """True if a Gateway of it runs on pods that the policy does not select any more."""
    selected = world.configured.settings.gateway_selector.items()
    gateways = (world.gateways.known.get(name) for name in route.spec.get("gateways") or ())
    return any(gateway and not selected <= gateway.selector.items() for gateway in gateways)


def _unguarded(service: str, guarded: Iterable[tuple[str, Mapping[str, str]]], world: World) -> bool:
    """True if it has come to mean pods of which no policy admits just what the APIRule did."""
    known = world.services.known.get(service)
    if known is None:  # then no request arrives
        return False
    return known.alias or (service.partition("/")[0], dict(known.selector)) not in guarded


def _services(route: Object, world: World) -> Iterator[str]:
    """Where it leads, but for pages to sign in."""
    logins = {login.host for login in world.configured.logins.values()}
    hosts = {
        step["destination"]["host"]
        for part in route.spec.get("http") or ()
        for step in part.get("route") or ()
    }
    for host in hosts - logins:
        name, _, namespace = host.removesuffix(_LOCAL).partition(".")
        yield f"{namespace}/{name}"


def _labels(spec: Mapping[str, Any]) -> dict[str, str]:
    return dict((spec.get("selector") or {}).get("matchLabels") or {})
