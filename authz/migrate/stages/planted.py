"""Kept objects that serve more than the APIRule: `undo` writes them with the rights of whoever calls it.

Pure. Whoever may write Secrets in a namespace need not be one who may write its VirtualServices and Rules.
"""

import re
from collections.abc import Iterable, Iterator

from authz.controller.kinds import Document, key
from authz.istio import objects, strangers
from authz.istio.apirule import APIRule
from authz.migrate.old import urls
from authz.migrate.stages import old_routes
from authz.migrate.stages.saved import Saved

_EDITED = (
    "Secret {}-migration keeps {} {}, which {}: "
    "the APIRule's hosts have changed since, or somebody has edited it"
)
_OTHER_HOSTS = "also serves {}"
_OTHER_GATEWAY = "is not of Gateway {}"
_MORE_GATEWAYS = "also serves Gateway {}"
_NOT_ONLY = "is not for the APIRule's hosts alone"

# Of `<http|https>`, in any spelling; with a dot or a slash it could match a whole address.
_is_scheme = re.compile(r"[<({?:]*https?[a-z<>(){}?:|,]*").fullmatch


class Foreign(ValueError):
    """It is not the APIRule's own."""


def check(kept: Saved, wanted: APIRule, own: Iterable[str]) -> None:
    """`own` are the APIRule's hosts in full. Raises Foreign."""
    own = frozenset(filter(None, own))
    for one in kept.routes:
        for problem in _of_route(one, wanted, own):
            raise Foreign(_EDITED.format(wanted.key, "VirtualService", key(one), problem))
    for one in kept.rules:
        if not is_for(one, own):
            raise Foreign(_EDITED.format(wanted.key, "Rule", key(one), _NOT_ONLY))


def is_for(rule: Document, own: Iterable[str]) -> bool:
    """True if an old Rule's address begins with one of these hosts, or spells out several of them."""
    scheme, host, _ = urls.split(str((rule["spec"].get("match") or {}).get("url", "")))
    begins = host.partition("<")[0]
    named = [begins] if begins and not begins.endswith(".") else urls.hosts(host)
    return bool(_is_scheme(scheme)) and {one.partition(":")[0].lower() for one in named} <= set(own)


def _of_route(route: Document, wanted: APIRule, own: frozenset[str]) -> Iterator[str]:
    found = list(objects.read(objects.VirtualService, [route], []))
    if more := {host.lower() for one in found for host in one.spec.hosts} - own:
        yield _OTHER_HOSTS.format(", ".join(sorted(more)))
    if not any(wanted.spec.gateway in strangers.gateways(one) for one in found):
        yield _OTHER_GATEWAY.format(wanted.spec.gateway)
    elif others := old_routes.other_gateways(route, wanted):
        yield _MORE_GATEWAYS.format(", ".join(others))
