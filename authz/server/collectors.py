"""The metrics that are read where they stand, when somebody asks for the page.

That happens in a thread of its own: what may grow meanwhile is copied at once before it is gone through.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from authz.core.reason import Reason
from authz.sources.registry import Sources, Status

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0)


class Checks(Collector):
    """Plain numbers: one thread writes them, and the library's own take a lock for each."""

    def __init__(self) -> None:
        self._reasons: dict[tuple[str, Reason], int] = {}  # bounded by rules times reasons
        self._slots = [0] * (len(_SECONDS) + 1)
        self._sum_s = 0.0

    def keep(self, rules: frozenset[str]) -> None:
        """Forget the rules that are no more: their names are their authors' to choose."""
        kept = {key: number for key, number in self._reasons.items() if not key[0] or key[0] in rules}
        self._reasons = kept

    def count(self, rule: str, reason: Reason, seconds: float) -> None:
        key = (rule, reason)
        self._reasons[key] = self._reasons.get(key, 0) + 1
        self._slots[bisect_left(_SECONDS, seconds)] += 1
        self._sum_s += seconds

    def collect(self) -> Iterable[Metric]:
        checks = CounterMetricFamily(
            "authz_checks", "Decisions by rule and reason.", labels=["rule", "reason"]
        )
        for (rule, reason), number in dict(self._reasons).items():
            checks.add_metric([rule, reason.name], number)
        yield checks
        bounds = [*map(floatToGoString, _SECONDS), "+Inf"]
        buckets = list(zip(bounds, accumulate(self._slots), strict=True))
        yield HistogramMetricFamily("authz_check_seconds", "Time to decide.", buckets, self._sum_s)


class Calls(Collector):
    """Labels come from the configuration and from `gate.OUTCOMES`: there are only so many."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterable[Metric]:
        rows = self._sources.status()
        of = ["source", "kind"]
        calls = CounterMetricFamily(
            "authz_source_calls", "Calls to sources, by what became of them.", labels=[*of, "outcome"]
        )
        for row in rows:
            for outcome, number in row.calls.items():
                calls.add_metric([row.name, row.kind, outcome], number)
        yield calls
        for name, (about, value) in _GAUGES.items():
            family = GaugeMetricFamily(f"authz_source_{name}", about, labels=of)
            for row in rows:
                if (known := value(row)) is not None:
                    family.add_metric([row.name, row.kind], known)
            yield family


_GAUGES: Mapping[str, tuple[str, Callable[[Status], float | None]]] = {
    "age_seconds": ("Age of the last good answer; -1 if there was none.", lambda row: row.age_s),
    "left_seconds": (
        "For how long what is known serves on if the source stays away; 0 if nothing is.",
        lambda row: row.left_s,
    ),
    "shut": ("1 while a source is left alone, for it failed.", lambda row: row.shut),
}


class Refused(Collector):
    def __init__(self, refused: Mapping[str, int]) -> None:
        self._refused = refused

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily(
            "authz_h2_refused", "Streams and connections refused, by cause.", labels=["cause"]
        )
        for cause, number in dict(self._refused).items():
            family.add_metric([cause], number)
        yield family
