"""The old world as a whole: Kyma's gateway sent some requests to Oathkeeper, others straight to services.

Oathkeeper itself is asked; only the routes before it are told here, as Kyma wrote them for an APIRule.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import re2

from authz.core import cors
from authz.core.cors import Cors
from authz.migrate.old.rule import Old
from authz.migrate.verification.oathkeeper import Answer, Oathkeeper
from authz.migrate.verification.requests import Sent

_EVERY_ORIGIN = Cors(regexes=(".*",))  # where the APIRule said nothing of CORS


@dataclass(frozen=True, slots=True)
class Route:
    """Of an APIRule's VirtualService: paths by a whole regular expression; methods for `no_auth` alone."""

    rule: Old
    path: Any  # of RE2, which publishes no types

    def takes(self, method: str, path: str) -> bool:
        """True for its requests."""
        if "no_auth" in self.rule.handlers and method not in self.rule.methods:
            return False
        return self.path.fullmatch(path) is not None


class Before:
    """`oathkeeper` decides what the routes do not."""

    def __init__(self, rules: Iterable[Old], oathkeeper: Oathkeeper) -> None:
        self._oathkeeper = oathkeeper
        self._routes = _routes(rules)

    async def ask(self, sent: Sent) -> Answer | None:
        """None where the mesh decided it, as it will: Oathkeeper never knew. Raises Unreachable."""
        routes = self._routes.get(sent.host.partition(":")[0].lower())
        if routes is None:
            return await self._oathkeeper.ask(sent)
        request = sent.request
        path = request.path
        asked = "OPTIONS" if cors.is_preflight(request) else request.method
        route = next((one for one in routes if one.takes(asked, path)), None)
        if route is None:
            return Answer(404, "the gateway")
        if cors.is_preflight(request) and _cors(route.rule).admits(request.headers["origin"]):
            return Answer(200, "the gateway", answered=True)
        if route.rule.by_mesh:
            return None
        if not route.rule.by_oathkeeper:
            return Answer(200, "the service")
        return await self._oathkeeper.ask(sent)


def _routes(rules: Iterable[Old]) -> dict[str, list[Route]]:
    """By host. Of two rules with one path Kyma routed the first; what is no expression routes nothing."""
    found: dict[str, dict[str, Route]] = {}
    for rule in rules:
        if rule.origin.kind != "APIRule":
            continue
        for host in rule.hosts:
            routes = found.setdefault(host.text.lower(), {})
            if compiled := _compiled(rule.path.text):
                routes.setdefault(rule.path.text, Route(rule, compiled))
    return {host: list(routes.values()) for host, routes in found.items()}


def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(text, options)
    except re2.error:
        return None


def _cors(rule: Old) -> Cors:
    if rule.cors is None:
        return _EVERY_ORIGIN
    origins = [one for one in rule.cors.get("allowOrigins") or () if isinstance(one, dict)]
    return Cors(
        exact=frozenset(one["exact"] for one in origins if "exact" in one),
        prefixes=tuple(one["prefix"] for one in origins if "prefix" in one),
        regexes=tuple(one["regex"] for one in origins if "regex" in one),
    )
