"""What an operator sees of the controller: how much there is to do, how long it takes, what goes wrong.

Labels are kinds, verbs and states; APIRules are named only while something is wrong with them, and not all.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

NAMED_MAX = 200  # APIRules that are not ready, by name; `authz_apirules` counts all of them

_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)

Gauges = Callable[[], Mapping[str, Mapping[str, float]]]  # by name and label
Requests = Mapping[tuple[str, str, str], int]  # by verb, resource and outcome


class Telemetry:
    """Counts; others are asked for their numbers when somebody looks."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._states: dict[str, str] = {}
        self._waited = Histogram(
            "authz_controller_queue_seconds",
            "How long an APIRule waited to be looked at.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._worked = Histogram(
            "authz_controller_reconcile_seconds",
            "How long it took to reconcile an APIRule.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._errors = Counter(
            "authz_controller_reconcile_errors", "What failed, by cause.", ["cause"], registry=self.registry
        )

    def worked(self, waited_s: float, took_s: float) -> None:
        """One APIRule was looked at."""
        self._waited.observe(waited_s)
        self._worked.observe(took_s)

    def failed(self, cause: str) -> None:
        """It has to be looked at again."""
        self._errors.labels(cause).inc()

    def state(self, key: str, state: str) -> None:
        """What its author is told."""
        self._states[key] = state

    def forget(self, key: str) -> None:
        """There is no such APIRule any more."""
        self._states.pop(key, None)

    def clear(self) -> None:
        """Another one tells of them now."""
        self._states.clear()

    def show(self, gauges: Gauges, requests: Requests) -> None:
        """On the page, with all that is counted here."""
        self.registry.register(_Shown(gauges, requests, self._states))

    def page(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


GAUGES = {  # name: (text, label)
    "authz_controller_leads": ("1 while this one leads.", ""),
    "authz_controller_queue_depth": ("APIRules that wait to be looked at.", ""),
    "authz_controller_queue_failing": ("APIRules that wait for another attempt.", ""),
    "authz_controller_objects": ("Objects known, by resource.", "resource"),
    "authz_controller_watch_lists": ("How often all objects were listed, by resource.", "resource"),
    "authz_controller_watch_failures": ("Failed attempts in a row, by resource.", "resource"),
}


class _Shown(Collector):
    def __init__(
        self,
        gauges: Gauges,
        requests: Requests,
        states: Mapping[str, str],
    ) -> None:
        self._gauges = gauges
        self._requests = requests
        self._states = states

    def collect(self) -> Iterable[Metric]:
        for name, values in self._gauges().items():
            text, label = GAUGES[name]
            family = GaugeMetricFamily(name, text, labels=[label] if label else [])
            for value, number in values.items():
                family.add_metric([value] if label else [], number)
            yield family
        sent = CounterMetricFamily(
            "authz_controller_requests", "Requests to the API server.", labels=["verb", "resource", "outcome"]
        )
        for labels, number in list(self._requests.items()):
            sent.add_metric(labels, number)
        yield sent
        yield from self._rules()

    def _rules(self) -> Iterable[Metric]:
        counts = GaugeMetricFamily("authz_apirules", "APIRules by state.", labels=["state"])
        for state, number in Tally(self._states.values()).items():
            counts.add_metric([state], number)
        yield counts
        named = GaugeMetricFamily(
            "authz_apirule_not_ready", "1 for each APIRule that is not ready.", labels=["apirule", "state"]
        )
        unready = [(key, state) for key, state in self._states.items() if state != "Ready"]
        for key, state in unready[:NAMED_MAX]:
            named.add_metric([key, state], 1)
        yield named
