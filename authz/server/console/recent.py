"""The last decisions, in memory: what was asked, which rule decided, and why. Never a credential."""

from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from authz.core import trace
from authz.core.decision import Decision, Deny
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server.decision_log import LOGGED_MAX_LENGTH as MOST

KEPT = 500  # of each, allowed and not, so that a flood of one leaves the other
APART_S = 0.01  # of two that were allowed: to keep thousands a second costs something, and nobody reads them

Row = dict[str, Any]


# When, id, method, host, path, headers that name the trace, rule, reason, note, seconds.
_Seen = tuple[float, str, str, str, str, Mapping[str, str], str, Reason, str, float]
_UNTRACED: Mapping[str, str] = {}


class Recent:
    """Of this process alone."""

    def __init__(self, kept: int = KEPT) -> None:
        self._allowed = deque[_Seen](maxlen=kept)
        self._denied = deque[_Seen](maxlen=kept)
        self._last = 0.0

    def add(self, request: Request, decision: Decision, rule: str, seconds: float, at: float) -> None:
        """`at` is in seconds since the epoch. The oldest of its sort is forgotten."""
        is_denied = isinstance(decision, Deny)
        if not is_denied:
            if 0.0 <= at - self._last < APART_S:
                return
            self._last = at
        method, host, path, _, headers, request_id, told = request
        if len(path) > MOST or len(host) > MOST or len(method) > MOST:
            method, host, path = method[:MOST], host[:MOST], path[:MOST]
        among = told or headers
        traced = {name: among[name][:MOST] for name in trace.FIELDS if name in among} or _UNTRACED
        note = decision.note if isinstance(decision, Deny) else ""
        seen = at, request_id, method, host, path, traced, rule, decision.reason, note, seconds
        (self._denied if is_denied else self._allowed).append(seen)

    def rows(self, request_id: str = "", after: float = 0.0) -> list[Row]:
        """The latest first; those of one request, if it is named, and since `after`.

        A thousand rows take 20 ms, in which nothing is decided: who looks again asks for what is new.
        """
        everything = chain(self._allowed, self._denied)
        found = [seen for seen in everything if seen[0] >= after and request_id in ("", seen[1])]
        return [_row(seen) for seen in sorted(found, key=lambda seen: seen[0], reverse=True)]


def _row(seen: _Seen) -> Row:
    at, request_id, method, host, path, traced, rule, reason, note, seconds = seen
    parent = trace.parent(Request("", "", "", headers=traced))
    return {
        "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
        "id": request_id,
        "method": method,
        "host": host,
        "path": path,
        "rule": rule,
        "reason": reason.name,
        "text": reason.text,
        "status": reason.status,
        "allowed": reason.allows,
        "note": note,
        "ms": round(seconds * 1000, 3),
        "trace": parent.trace_id if parent else "",
    }
