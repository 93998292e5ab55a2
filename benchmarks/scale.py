"""How many cores, replicas and bytes some load takes: `docs/scale.md`, arithmetic on what was measured.

Nothing here is a measurement; whoever has faster cores puts their own into the same sums.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.cases import THROUGH_ENVOY, Case
from benchmarks.controller import page
from benchmarks.results import Results, medians
from benchmarks.servers import H2, H2_NEW

PAGE = report.DOCS / "scale.md"
TEXT = Path(__file__).with_name("scale.md")  # what people wrote, with a place for each sum

BUSY = 0.6  # of a core: above it the tail of waiting grows faster than the load
WORKERS = 4  # of a replica, a core each: small enough for any node, large enough that few are needed
LOADS = (1_000, 10_000, 100_000, 1_000_000)  # checks a second
NEVER_SEEN = 0.1  # of the checks, where tokens live for minutes and callers are many
CHECK_BYTES = 1_700  # a CheckRequest of 1.4 kB, the answer and the frames around them
RULES = 50_000
TOKENS = 10_000  # opaque ones in use at a time
WRITES_OF_ITS_OWN = 2  # of an APIRule itself: its finalizer and its status
KEYS_TTL_S, ANSWER_TTL_S = 600, 30  # the defaults of `sources.ttl` and of an introspection's answer
WORKER = "h2"
WORKER_10_000_HOSTS = "h2, 10,000 hosts"


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU in µs for each check, as measured through Envoy."""

    seen: float
    new: float
    envoy: float

    @property
    def mixed(self) -> float:
        """Of the load that the table plans for."""
        return self.seen * (1 - NEVER_SEEN) + self.new * NEVER_SEEN


def costs(results: Results) -> Costs:
    """The medians of the run."""
    found = medians(results["rounds"])
    seen = found[Case(THROUGH_ENVOY, H2).name]
    new = found[Case(THROUGH_ENVOY, H2_NEW, "first seen").name]
    return Costs(seen["cpu_us"], new["cpu_us"], seen["envoy_us"])


def cores(checks: float, cost_us: float) -> int:
    """Whole ones, each as busy as it should be."""
    return math.ceil(checks * cost_us / 1e6 / BUSY)


def replicas(checks: float, cost_us: float) -> int:
    """At least two, and one more than the load takes, so that one may be missing."""
    return max(2, math.ceil(cores(checks, cost_us) / WORKERS) + 1)


def write() -> None:
    """The page anew."""
    PAGE.write_text(made())


def made() -> str:
    """From what the two benchmarks have left."""
    return render(json.loads(report.RESULTS.read_text()), json.loads(page.RESULTS.read_text()))


def render(results: Results, controller: Mapping[str, Any]) -> str:
    """The page."""
    text = TEXT.read_text()
    for name, value in _places(results, controller).items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


def _places(results: Results, controller: Mapping[str, Any]) -> dict[str, str]:
    cost = costs(results)
    most = LOADS[-1]
    nothing, filled = controller["from_nothing"][-1], controller["many"][-1]
    writes = (nothing["objects"] / nothing["count"] + WRITES_OF_ITS_OWN) * RULES
    rate = writes / RULES * nothing["count"] / nothing["took_s"]
    worker, many = (results["memory_mib"][name] for name in (WORKER, WORKER_10_000_HOSTS))
    processes = replicas(most, cost.mixed) * WORKERS
    kept = filled["mib"] / filled["count"]
    return {
        "TABLE": _table(_HEAD, _rows(cost)),
        "BUSY": f"{BUSY:.0%}",
        "WORKERS": f"{WORKERS}",
        "NEVER": f"{NEVER_SEEN:.0%}",
        "SEEN_US": f"{cost.seen:.0f}",
        "NEW_US": f"{cost.new:.0f}",
        "MIXED_US": f"{cost.mixed:.0f}",
        "ENVOY_US": f"{cost.envoy:.0f}",
        "CORES": f"{cores(most, cost.mixed):,}",
        "CORES_WORST": f"{cores(most, cost.new):,}",
        "ENVOY_CORES": f"{cores(most, cost.envoy):,}",
        "REPLICAS": f"{replicas(most, cost.mixed):,}",
        "PROCESSES": f"{processes:,}",
        "JWKS": f"{processes / KEYS_TTL_S:.2f}",
        "INTROSPECTIONS": f"{TOKENS * processes / ANSWER_TTL_S:,.0f}",
        "TOKENS": f"{TOKENS:,}",
        "GBIT": f"{most * CHECK_BYTES * 8 / 1e9:.0f}",
        "CHECK_BYTES": f"{CHECK_BYTES:,}",
        "RULES": f"{RULES:,}",
        "WORKER_MIB": f"{worker}",
        "HOSTS_MIB": f"{many}",
        "CONTROLLER_MIB": f"{kept * RULES:,.0f}",
        "MEASURED_RULES": f"{filled['count']:,}",
        "MEASURED_MIB": f"{filled['mib']:.0f}",
        "WRITES": f"{writes:,.0f}",
        "RATE": f"{rate:.0f}",
        "MINUTES": f"{writes / rate / 60:.0f}",
        "OBJECTS": f"{(nothing['objects'] / nothing['count'] + 1) * RULES:,.0f}",
    }


_HEAD = ("checks/s", "cores, tokens seen before", f"cores, {NEVER_SEEN:.0%} never seen", "replicas", "Gbit/s")


def _rows(cost: Costs) -> Iterable[Sequence[str]]:
    for load in LOADS:
        yield (
            f"{load:,}",
            f"{cores(load, cost.seen):,}",
            f"{cores(load, cost.mixed):,}",
            f"{replicas(load, cost.mixed):,}",
            f"{load * CHECK_BYTES * 8 / 1e9:.2f}",
        )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *rows))


if __name__ == "__main__":
    write()
