"""What the console shows of one authorizer, as values that JSON can hold."""

import asyncio
import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

from authz.core.decision import Allow, Deny
from authz.core.policy import Host
from authz.core.request import Request
from authz.server import explain
from authz.server.console.recent import Recent, Row
from authz.server.explain import Explanation
from authz.server.ruleset import Loaded
from authz.sources.registry import Sources

HOSTS_MAX = 200  # on one page: of more, the filter finds those that are wanted
ASK_S = 10.0  # a source that does not answer is given up long before

_UNSHOWN = ("cookie", "set-cookie")  # told by name alone


class BadRequest(Exception):
    """The message says what is wrong with the question."""


class View(Protocol):
    """Of one process, or of several together."""

    async def decisions(self, request_id: str, after: str) -> list[Row]:
        """The latest first; those of one request, or since a time as a row has it. Raises BadRequest."""

    async def rules(self, wanted: str) -> Row:
        """Hosts that hold `wanted` in their name or in that of a rule, and their rules in order."""

    async def sources(self) -> list[Row]:
        """Whom it asks, and how they are."""

    async def explain(self, question: Mapping[str, Any]) -> Row:
        """What would become of a request. Raises BadRequest."""


class Own:
    """Of one process. `loaded` gives what is in force."""

    def __init__(self, loaded: Callable[[], Loaded | None], sources: Sources, recent: Recent) -> None:
        self._loaded = loaded
        self._sources = sources
        self._recent = recent

    async def decisions(self, request_id: str, after: str) -> list[Row]:
        """See `View`."""
        return self._recent.rows(request_id, _moment(after))

    async def rules(self, wanted: str) -> Row:
        """See `View`."""
        loaded = self._loaded()
        hosts = loaded.policy.hosts.values() if loaded else ()
        found = [host for host in hosts if _holds(host, wanted.lower())]
        return {
            "count": len(found),
            "problems": list(loaded.problems[:HOSTS_MAX]) if loaded else ["No rules are loaded yet."],
            "hosts": [_host(host) for host in heapq.nsmallest(HOSTS_MAX, found, key=lambda host: host.name)],
        }

    async def sources(self) -> list[Row]:
        """See `View`."""
        return [asdict(row) | {"calls": dict(row.calls)} for row in self._sources.status()]

    async def explain(self, question: Mapping[str, Any]) -> Row:
        """Asks the same sources, and remembers nothing of the request."""
        loaded = self._loaded()
        if loaded is None:
            raise BadRequest("No rules are loaded yet.")
        asked = request(question)
        try:
            found = await asyncio.wait_for(explain.decide(loaded, asked, self._sources), ASK_S)
        except TimeoutError as error:
            raise BadRequest("A source did not answer in time.") from error
        return _explained(found)


def request(question: Mapping[str, Any]) -> Request:
    """From `method`, `url` and `headers`, as a person writes them. Raises BadRequest."""
    method, url, headers = (question.get(name) for name in ("method", "url", "headers"))
    if not (isinstance(method, str) and isinstance(url, str) and isinstance(headers, dict)):
        raise BadRequest("method and url are texts, headers a mapping of names to texts.")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BadRequest(f"url: {error}") from error
    if not parts.netloc:
        raise BadRequest("url: a URL with scheme and host is expected.")
    pairs = {str(name).strip().lower(): str(value).strip() for name, value in headers.items()}
    return Request(method.upper(), parts.netloc, parts.path or "/", parts.query, pairs)


def _moment(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp() if text else 0.0
    except (ValueError, OverflowError, OSError) as error:
        raise BadRequest("after: a time like that of a decision is expected.") from error


def _holds(host: Host, wanted: str) -> bool:
    return not wanted or wanted in host.name or any(wanted in rule.name for rule in host.rules)


def _host(host: Host) -> Row:
    return {
        "name": host.name,
        "rejectsAmbiguous": host.rejects_ambiguous,
        "waits": host.coming is not None,
        "rules": [
            {
                "name": rule.name,
                "methods": sorted(rule.methods),
                "path": str(rule.path),
                "access": explain.access(rule),
                "scopes": list(rule.scopes),
            }
            for rule in host.rules
        ],
    }


def _explained(found: Explanation) -> Row:
    decision = found.decision
    reason = decision.reason
    return {
        "allowed": reason.allows,
        "reason": reason.name,
        "text": reason.text,
        "status": reason.status,
        "rule": decision.rule.name if decision.rule else "",
        "note": decision.note if isinstance(decision, Deny) else "",
        "scopes": list(decision.scopes) if isinstance(decision, Deny) else [],
        "elsewhere": found.elsewhere,
        "headers": _headers(decision.headers.items()) if isinstance(decision, Allow) else {},
        "rules": [
            {"name": rule.name, "what": explain.describe(rule), "why": why} for rule, why in found.rules
        ],
    }


def _headers(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: "(not shown)" if name in _UNSHOWN else value for name, value in sorted(pairs)}
