"""What an operator sees of decisions: one metric each, and what the log has of them.

Labels come from rules and reasons, never from a request; a credential is never in reach here.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import structlog
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    disable_created_metrics,
    generate_latest,
)

from authz.core.decision import Decision
from authz.core.request import Request
from authz.server.collectors import Calls, Checks, Refused
from authz.server.console.recent import Recent
from authz.server.decision_log import DecisionLog
from authz.sources.registry import Sources

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series each, which nobody reads


def configure_logging() -> None:
    """JSON lines on standard output."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )


class Telemetry:
    """Counts, and hands on to the log if there is one."""

    def __init__(self, log: DecisionLog | None = None, recent: Recent | None = None) -> None:
        self._log = log
        self._recent = recent
        self.registry = CollectorRegistry()
        self._checks = Checks()
        self.registry.register(self._checks)
        self._problems = Gauge(
            "authz_policy_problems", "Mistakes in the files last read.", registry=self.registry
        )
        self._rules = Gauge("authz_policy_rules", "Rules being enforced.", registry=self.registry)

    def watch(self, sources: Sources) -> None:
        """Report the age of what each source gave, and how the calls to it go."""
        self.registry.register(Calls(sources))

    def under_way(self, count: Callable[[], int]) -> None:
        """Report how many checks wait for a decision: they grow when a source is slow, or replicas few."""
        self._gauge("authz_checks_in_flight", "Checks that wait for a decision.", count)

    def connections(self, count: Callable[[], int]) -> None:
        """Report how many clients are connected: Envoy opens one for each of its threads."""
        self._gauge("authz_h2_connections", "Open connections.", count)

    def certificate(self, left_s: Callable[[], float]) -> None:
        """Report how long the certificates of the gRPC port are good for."""
        about = "Until the first of the certificates in listen.tls ends."
        self._gauge("authz_certificate_left_seconds", about, left_s)

    def count(self, refused: Mapping[str, int]) -> None:
        """Report what the transport refused, by cause."""
        self.registry.register(Refused(refused))

    def record(self, request: Request, decision: Decision, seconds: float) -> None:
        """One decision."""
        rule = decision.rule.name if decision.rule else ""
        self._checks.count(rule, decision.reason, seconds)
        if self._recent:
            self._recent.add(request, decision, rule, seconds, time.time())
        if self._log:
            self._log.record(request, decision, rule, seconds)

    def rules(self, names: Sequence[str]) -> None:
        """These are being enforced, each on so many hosts as it is named times."""
        self._rules.set(len(names))
        self._checks.keep(frozenset(names))

    def problems(self, count: int) -> None:
        """So many mistakes are in the files that were read last."""
        self._problems.set(count)

    def _gauge(self, name: str, about: str, value: Callable[[], float]) -> None:
        Gauge(name, about, registry=self.registry).set_function(value)

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    async def page_aside(self) -> bytes:
        """The same, made in a thread: of 10,000 rules it takes 300 ms, and checks go on being answered."""
        return await asyncio.to_thread(self.page)
