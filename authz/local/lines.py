"""From the log lines of three programs to one readable line for each request.

They arrive in any order; a request is told of a moment after the gateway has answered it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from authz.local import words

SETTLE_S = 0.2  # four times the interval at which Envoy writes its log
OPEN_MAX = 1000  # requests of which the gateway's line has not come

ROW = "{:<6} {:<7} {:<44} {:<10} {}"
HEADINGS = ROW.format("answer", "method", "host and path", "decided by", "why")

Line = Mapping[str, Any]


class Story:
    """`tell` gets the finished lines; `later(seconds, call)` is the loop's `call_later`."""

    def __init__(
        self, tell: Callable[[str], None], later: Callable[[float, Callable[[], None]], object]
    ) -> None:
        self._tell = tell
        self._later = later
        self._open: dict[str, dict[str, Line]] = {}

    def heard(self, part: str, text: str) -> None:
        """One line of the gateway, the sidecar or the authorizer. What is about no request is a remark."""
        line = _parsed(text)
        if "request_id" not in line:
            self._remark(part, text, line)
            return
        identifier = line["request_id"]
        self._open.setdefault(identifier, {})[part] = line
        if part == "gateway":
            self._later(SETTLE_S, lambda: self._finish(identifier))
        if len(self._open) > OPEN_MAX:
            self._open.pop(next(iter(self._open)))

    def _finish(self, identifier: str) -> None:
        if seen := self._open.pop(identifier, None):
            self._tell(render(seen))

    def _remark(self, part: str, text: str, line: Line) -> None:
        if part == "oauth2-proxy" and "error" not in text.lower():  # it has no levels
            return
        if line.get("level") != "info" and "[main]" not in text:  # how a program starts and stops
            self._tell(f"{part}: {line.get('problem') or line.get('event') or text}")


def render(seen: Mapping[str, Line]) -> str:
    """A row under `HEADINGS`."""
    gateway = seen["gateway"]
    decider, why = decided(seen)
    asked = f"{gateway['authority']}{gateway['path']}"
    return ROW.format(gateway["status"], gateway["method"], asked, decider, why)


def decided(seen: Mapping[str, Line]) -> tuple[str, str]:
    """The part that gave the answer, and its reason: whoever refused, else whoever allowed last."""
    decision = seen.get("authorizer")
    if decision and decision["event"] == "denied":
        return "authorizer", f"{decision['reason']} ({decision['rule'] or 'no rule'})"
    for part in ("sidecar", "gateway"):
        if part in seen and seen[part]["details"] != "via_upstream":
            return part, _own_answer(seen[part])
    if decision:
        return "authorizer", f"{decision['reason']} ({decision['rule']})"
    return "mesh", "allowed"


def _own_answer(line: Line) -> str:
    if line["details"] == "direct_response":
        return words.of_body(line.get("body") or "its route says so")
    return words.of_details(line["details"])


def _parsed(text: str) -> Line:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}
