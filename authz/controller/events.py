"""Kubernetes Events: what happened to an APIRule, for `kubectl describe` and `kubectl events`.

Sent after everything else and never waited for: one that can not be sent is dropped.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4

from authz.controller import status
from authz.controller.api import FIELD_MANAGER, Api, NotLeading, Refused, Unreachable
from authz.controller.held import Rule
from authz.controller.kinds import APIRULES, EVENTS, Document
from authz.controller.status import Disputed, Done, Failed, Obstructed, Unreadable, Verdict, Waiting

WAITING_MAX = 1_000  # the oldest are dropped first
PAUSE_S = 0.1  # before looking again whether there is nothing else to write
NOTE_MAX_BYTES = 1_024  # of an Event (events.k8s.io/v1)

_ACTION = "Reconcile"


class Events:
    """What is told is sent by `run`, one after the other."""

    def __init__(self, api: Api, is_idle: Callable[[], bool]) -> None:
        self._api = api
        self._is_idle = is_idle
        self._waiting: deque[Document] = deque(maxlen=WAITING_MAX)
        self._some = asyncio.Event()

    def tell(self, rule: Rule, verdict: Verdict) -> None:
        """Its status has changed."""
        self._waiting.append(event(rule, verdict, datetime.now(UTC)))
        self._some.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._some.wait()
            while self._waiting:
                if not self._is_idle():
                    await asyncio.sleep(PAUSE_S)
                    continue
                document = self._waiting.popleft()
                try:
                    await self._api.create(EVENTS, document)
                except (Refused, Unreachable, NotLeading):
                    continue
            self._some.clear()


def event(rule: Rule, verdict: Verdict, now: datetime) -> Document:
    """As it is sent."""
    namespace, _, name = rule.key.partition("/")
    good = isinstance(verdict, Done | Waiting)
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.name,
        "metadata": {"name": f"{name}.{uuid4().hex[:16]}", "namespace": namespace},
        "eventTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": FIELD_MANAGER,
        "reportingInstance": socket.gethostname()[:128],
        "action": _ACTION,
        "reason": _reason(verdict),
        "type": "Normal" if good else "Warning",
        "note": status.describe(verdict).encode()[:NOTE_MAX_BYTES].decode(errors="ignore"),
        "regarding": {
            "apiVersion": APIRULES.api_version,
            "kind": APIRULES.name,
            "namespace": namespace,
            "name": name,
            "uid": rule.uid,
        },
    }


def _reason(verdict: Verdict) -> str:
    match verdict:
        case Done():
            return "Programmed"
        case Waiting():
            return "Pending"
        case Failed():
            return "ApiServerRefused"
        case Disputed():
            return "Disputed"
        case Unreadable():
            return "Invalid"
        case Obstructed():
            return "Obstructed"
