"""What the one that leads does: workers that reconcile what the queue holds, each key by one at a time.

A failure concerns its own key only. What cannot be named is our bug: logged, and tried again later.
"""

import asyncio
import time

import structlog

from authz.controller.api import NotLeading, Refused, Unreachable
from authz.controller.reconcile import Reconciler
from authz.controller.rewrites import WINDOW_S, Contested
from authz.controller.status import Disputed, Failed, Obstructed, Verdict, Waiting
from authz.controller.telemetry import Telemetry
from authz.controller.workqueue import BACKOFF_MAX_S, Queue

WORKERS = 32  # keys at once: twice the requests under way, so that one is always ready to be sent
ABSENT_MAX_S = 2.0  # between attempts while the API server is away, or somebody else has to move first

_log = structlog.get_logger()


class Leader:
    """`run` until cancelled."""

    def __init__(
        self, queue: Queue, reconciler: Reconciler, telemetry: Telemetry, workers: int = WORKERS
    ) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._telemetry = telemetry
        self._workers = workers

    async def run(self) -> None:
        """For ever."""
        self._reconciler.begin()
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key, waited_s = await self._queue.take()
            began_s = time.perf_counter()
            try:
                (outcome,) = await asyncio.gather(self._reconciler.reconcile(key), return_exceptions=True)
            finally:
                self._queue.done(key)
            self._telemetry.worked(waited_s, time.perf_counter() - began_s)
            self._conclude(key, outcome)

    def _conclude(self, key: str, outcome: Verdict | BaseException) -> None:
        match outcome:
            case Waiting():
                self._queue.retry(key, ABSENT_MAX_S)
            case Unreachable():
                self._telemetry.failed("unreachable")
                if not self._queue.is_failing(key):  # once: every APIRule comes again, every 2 s
                    _log.warning("the API server does not answer", apirule=key, error=str(outcome))
                self._queue.retry(key, ABSENT_MAX_S)
            case Failed(message=message) | Disputed(message=message) | Contested(message=message):
                refused = isinstance(outcome, Failed)
                self._telemetry.failed("refused" if refused else "disputed")
                _log.warning("an object can not be as it shall", apirule=key, error=message)
                self._queue.retry(key, BACKOFF_MAX_S if refused else WINDOW_S)
            case Refused(status=409):
                self._telemetry.failed("conflict")
                self._queue.retry(key)
            case Refused():
                self._telemetry.failed("refused")
                _log.warning("the API server refuses", apirule=key, error=str(outcome))
                self._queue.retry(key)
            case Obstructed(unseen=True):
                self._queue.retry(key)
            case NotLeading():
                self._queue.add_later(key, ABSENT_MAX_S)
            case BaseException():
                self._telemetry.failed("bug")
                _log.error("reconciling failed", apirule=key, exc_info=outcome)
                self._queue.retry(key)
            case _:
                self._queue.forget(key)
