"""What an operator sees of decisions: one metric each, and what the log has of them.

Labels come from rules and reasons, never from a request; a credential is never in reach here.
"""

import logging
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

import structlog
from prometheus_client import (
    CollectorRegistry,
    Gauge,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from authz.core.decision import Decision
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server.decision_log import DecisionLog
from authz.sources.registry import Sources

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)

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

    def __init__(self, log: DecisionLog | None = None) -> None:
        self._log = log
        self.registry = CollectorRegistry()
        self._checks = _Checks()
        self.registry.register(self._checks)
        self._problems = Gauge(
            "authz_policy_problems", "Mistakes in the files last read.", registry=self.registry
        )
        self._rules = Gauge("authz_policy_rules", "Rules being enforced.", registry=self.registry)

    def watch(self, sources: Sources) -> None:
        """Report the age of what each source gave, and how the calls to it go."""
        self.registry.register(_Sources(sources))

    def under_way(self, count: Callable[[], int]) -> None:
        """Report how many checks wait for a decision: they grow when a source is slow, or replicas few."""
        about = "Checks that wait for a decision."
        Gauge("authz_checks_in_flight", about, registry=self.registry).set_function(count)

    def count(self, refused: Mapping[str, int]) -> None:
        """Report what the transport refused, by cause."""
        self.registry.register(_Refused(refused))

    def record(self, request: Request, decision: Decision, seconds: float) -> None:
        """One decision."""
        rule = decision.rule.name if decision.rule else ""
        self._checks.count(rule, decision.reason, seconds)
        if self._log:
            self._log.record(request, decision, rule, seconds)

    def rules(self, count: int) -> None:
        """So many are being enforced."""
        self._rules.set(count)

    def problems(self, count: int) -> None:
        """So many mistakes are in the files that were read last."""
        self._problems.set(count)

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


class _Checks(Collector):
    """Plain numbers: one thread writes them, and the library's own take a lock for each."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, Reason], int] = {}  # bounded by rules times reasons
        self._slots = [0] * (len(_SECONDS) + 1)
        self._sum_s = 0.0

    def count(self, rule: str, reason: Reason, seconds: float) -> None:
        key = (rule, reason)
        self._reasons[key] = self._reasons.get(key, 0) + 1
        self._slots[bisect_left(_SECONDS, seconds)] += 1
        self._sum_s += seconds

    def collect(self) -> Iterable[Metric]:
        checks = CounterMetricFamily(
            "authz_checks", "Decisions by rule and reason.", labels=["rule", "reason"]
        )
        for (rule, reason), number in self._reasons.items():
            checks.add_metric([rule, reason.name], number)
        yield checks
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._slots), strict=True))
        yield HistogramMetricFamily("authz_check_seconds", "Time to decide.", buckets, self._sum_s)


class _Sources(Collector):
    """Labels come from the configuration and from `gate.OUTCOMES`: there are only so many."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        ages = GaugeMetricFamily(
            "authz_source_age_seconds",
            "Age of the last good answer; -1 if there was none.",
            labels=["source"],
        )
        calls = CounterMetricFamily(
            "authz_source_calls",
            "Questions to introspection endpoints and oauth2-proxies, by what became of them.",
            labels=["source", "kind", "outcome"],
        )
        shut = GaugeMetricFamily(
            "authz_source_shut", "1 while a source is left alone, for it failed.", labels=["source", "kind"]
        )
        for row in self._sources.status():
            ages.add_metric([row.name], row.age_s)
            for outcome, number in row.calls.items():
                calls.add_metric([row.name, row.kind, outcome], number)
            if row.calls:
                shut.add_metric([row.name, row.kind], row.shut)
        yield from (ages, calls, shut)


class _Refused(Collector):
    def __init__(self, refused: Mapping[str, int]) -> None:
        self._refused = refused

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(
            "authz_h2_refused", "Streams and connections refused, by cause.", labels=["cause"]
        )
        for cause, number in self._refused.items():
            family.add_metric([cause], number)
        yield family
