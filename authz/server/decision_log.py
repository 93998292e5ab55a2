"""The line that an operator reads of a decision, and how few of them there are.

A flood of refusals costs no more lines than the setting says: each takes longer to write than to decide.
"""

import random
import time
from collections.abc import Callable

import structlog

from authz.core import trace
from authz.core.decision import Decision, Deny
from authz.core.request import Request
from authz.observed import Log
from authz.server.rate import Bucket

LOGGED_MAX_LENGTH = 256  # of any text that a client chose

_log = structlog.get_logger()


class DecisionLog:
    """`clock` is in monotonic seconds, `chance` gives numbers from 0 to below 1."""

    def __init__(
        self,
        settings: Log,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._chance = chance
        self._settings = settings
        self._bucket = Bucket(settings.denied_per_second, clock)
        self._left_out = 0

    def configure(self, settings: Log) -> None:
        """From now on."""
        self._settings = settings
        self._bucket.per_second = settings.denied_per_second

    def record(self, request: Request, decision: Decision, rule: str, seconds: float) -> None:
        """Write the line, if it is to be one."""
        settings = self._settings
        if settings.decisions == "none":
            return
        if not isinstance(decision, Deny):
            if settings.decisions == "all" and self._chance() * settings.allowed_one_in < 1:
                _log.info("allowed", **_line(request, decision, rule, seconds))
        elif self._bucket.take():
            line = _line(request, decision, rule, seconds)
            if self._left_out:
                line["left_out"], self._left_out = self._left_out, 0
            _log.info("denied", **line)
        else:
            self._left_out += 1


def _line(request: Request, decision: Decision, rule: str, seconds: float) -> dict[str, object]:
    line: dict[str, object] = {
        "request_id": request.id,
        "method": request.method[:LOGGED_MAX_LENGTH],
        "host": request.host[:LOGGED_MAX_LENGTH],
        "path": request.path[:LOGGED_MAX_LENGTH],
        "rule": rule,
        "reason": decision.reason.name,
        "status": decision.reason.status,
        "ms": round(seconds * 1000, 3),
    }
    if parent := trace.parent(request):
        line["trace_id"] = parent.trace_id
    if isinstance(decision, Deny) and decision.note:
        line["note"] = decision.note
    return line
