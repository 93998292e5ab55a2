"""The figures the project set itself, judged from the results of one run."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.cases import FIRST, GHZ, H2LOAD, HOSTS, THROUGH_ENVOY, WRK, Case
from benchmarks.servers import GRPCIO, H2, H2_10_000, H2_NEW, NULL_H2, OAUTH2_PROXY

Results = Mapping[str, Any]

# The figures were set on a machine where one RS256 verification takes 18 to 23 µs.
REFERENCE_US = 20.5


@dataclass(frozen=True, slots=True)
class Figure:
    """A number and its goal: at most so much, or at least."""

    text: str
    value: float
    goal: float
    at_most: bool

    @property
    def reached(self) -> bool:
        """To the letter."""
        return self.value <= self.goal if self.at_most else self.value >= self.goal

    @property
    def line(self) -> str:
        """For a terminal."""
        bound = "at most" if self.at_most else "at least"
        verdict = "reached" if self.reached else "not reached"
        return f"{self.text:64} {self.value:7.2f}  {bound} {self.goal:.2f}: {verdict}"


def judge(results: Results) -> list[Figure]:
    """Those for which the run has numbers."""
    figures = [Figure(text, value(results), goal, at_most) for text, goal, at_most, value in _GOALS]
    return [figure for figure in figures if not math.isnan(figure.value)]


def cost(results: Results, case: Case) -> float:
    """The server's CPU for one request in verifications; not a number if it was not measured."""
    return float(results["samples"].get(case.name, {}).get("cost", math.nan))


def _rate(results: Results, case: Case) -> float:
    return float(results["samples"].get(case.name, {}).get("rate", math.nan))


def _tail(results: Results, case: Case) -> float:
    paced = results["paced"].get(case.name, {})
    return float(paced.get("p99_ms", math.nan)) / float(paced.get("p50_ms", math.nan))


def _memory(results: Results) -> float:
    return max((mib for name, mib in results["memory_mib"].items() if name.startswith(H2)), default=math.nan)


_DIRECT, _BEHIND = Case(H2LOAD, H2), Case(THROUGH_ENVOY, H2)
_GRPCIO, _GRPCIO_BEHIND = Case(H2LOAD, GRPCIO), Case(THROUGH_ENVOY, GRPCIO)
_NEW = Case(THROUGH_ENVOY, H2_NEW, FIRST)
_MANY_HOSTS = Case(THROUGH_ENVOY, H2_10_000, HOSTS)

_GOALS: tuple[tuple[str, float, bool, Callable[[Results], float]], ...] = (
    (
        "CPU per Check of a token seen before, in raw RS256 verifications",
        25 / REFERENCE_US,
        True,
        lambda run: cost(run, _DIRECT),
    ),
    (
        "CPU per Check of a token never seen, in raw RS256 verifications",
        1 + 30 / REFERENCE_US,
        True,
        lambda run: cost(run, _NEW),
    ),
    (
        "CPU per Check: grpc.aio's, in that of h2",
        8,
        False,
        lambda run: cost(run, _GRPCIO) / cost(run, _DIRECT),
    ),
    (
        "CPU per Check: oauth2-proxy's, in that of h2",
        4,
        False,
        lambda run: cost(run, Case(WRK, OAUTH2_PROXY)) / cost(run, _DIRECT),
    ),
    (
        "Requests/s through Envoy: h2's, in those of the null responder",
        0.9,
        False,
        lambda run: _rate(run, _BEHIND) / _rate(run, Case(THROUGH_ENVOY, NULL_H2)),
    ),
    (
        "Requests/s through Envoy: h2's, in those of grpc.aio",
        2.2,
        False,
        lambda run: _rate(run, _BEHIND) / _rate(run, _GRPCIO_BEHIND),
    ),
    (
        "CPU per Check with 10,000 hosts, in that with one",
        1.1,
        True,
        lambda run: cost(run, _MANY_HOSTS) / cost(run, _BEHIND),
    ),
    ("p99 at half load, in p50", 3, True, lambda run: _tail(run, Case(GHZ, H2))),
    ("p99 at half load through Envoy, in p50", 3, True, lambda run: _tail(run, _BEHIND)),
    ("Memory of a worker, MiB", 80, True, _memory),
)
