"""The figures the project set itself, judged from the results of one run."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks import flood, stages
from benchmarks.cases import FIRST, H2LOAD, HOSTS, THROUGH_ENVOY, WRK, Case
from benchmarks.results import Results, Round, middle, number
from benchmarks.servers import GRPCIO, H2, H2_10_000, H2_NEW, NULL_H2, OAUTH2_PROXY

# The figures were set on a machine where one RS256 verification takes 18 to 23 µs.
REFERENCE_US = 20.5

MEMORY_MAX_MIB = 80


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
    def bound(self) -> str:
        """The goal in words."""
        return f"{'at most' if self.at_most else 'at least'} {self.goal:.3g}"

    @property
    def line(self) -> str:
        """For a terminal."""
        return f"{self.text:66}{self.value:7.2f}  {self.bound}: {'' if self.reached else 'not '}reached"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure before the run. `value` is taken in each round."""

    text: str
    goal: float
    at_most: bool
    value: Callable[[Round], float]

    def of(self, rounds: Sequence[Round]) -> Figure:
        """What became of it."""
        return Figure(self.text, middle(rounds, self.value), self.goal, self.at_most)


def judge(results: Results) -> list[Figure]:
    """Those for which the run has numbers."""
    figures = [goal.of(results["rounds"]) for goal in _COSTS]
    figures += [goal.of(results["paced"]) for goal in _TAILS]
    figures.append(Figure("Memory of a worker, MiB", _memory(results), MEMORY_MAX_MIB, at_most=True))
    beside = "p99 beside another tenant's flood, in that beside as many good tokens"
    figures.append(Figure(beside, _flood(results), 1.1, at_most=True))
    warm = "CPU per Check: a warm session's, in that of a warm JWT"
    figures.append(Figure(warm, _session(results), 1.3, at_most=True))
    return [figure for figure in figures if not math.isnan(figure.value)]


def _cost(one: Round, case: Case) -> float:
    return number(one, case, "cost")


def _rate(one: Round, case: Case) -> float:
    return number(one, case, "rate")


def _tail(one: Round, case: Case) -> float:
    return number(one, case, "p99_ms") / number(one, case, "p50_ms")


def _flood(results: Results) -> float:
    tails = results.get("flood", {})
    return tails[flood.RANDOM]["p99_ms"] / tails[flood.GOOD]["p99_ms"] if tails else math.nan


def _session(results: Results) -> float:
    steps = results.get("stages", {})
    return steps[stages.SESSION] / steps[stages.WARM] if steps else math.nan


def _memory(results: Results) -> float:
    return max((mib for name, mib in results["memory_mib"].items() if name.startswith(H2)), default=math.nan)


_DIRECT, _DIRECT_GRPCIO, _NEIGHBOUR = Case(H2LOAD, H2), Case(H2LOAD, GRPCIO), Case(WRK, OAUTH2_PROXY)
_BEHIND, _BEHIND_GRPCIO, _NULL = (Case(THROUGH_ENVOY, name) for name in (H2, GRPCIO, NULL_H2))
_NEW, _MANY_HOSTS = Case(THROUGH_ENVOY, H2_NEW, FIRST), Case(THROUGH_ENVOY, H2_10_000, HOSTS)

_COSTS = (
    Goal(
        "CPU per Check of a token seen before, in raw RS256 verifications",
        25 / REFERENCE_US,
        at_most=True,
        value=lambda one: _cost(one, _DIRECT),
    ),
    Goal(
        "CPU per Check of a token never seen, in raw RS256 verifications",
        1 + 30 / REFERENCE_US,
        at_most=True,
        value=lambda one: _cost(one, _NEW),
    ),
    Goal(
        "CPU per Check: grpc.aio's, in that of h2",
        8,
        at_most=False,
        value=lambda one: _cost(one, _DIRECT_GRPCIO) / _cost(one, _DIRECT),
    ),
    Goal(
        "CPU per Check: oauth2-proxy's, in that of h2",
        4,
        at_most=False,
        value=lambda one: _cost(one, _NEIGHBOUR) / _cost(one, _DIRECT),
    ),
    Goal(
        "Requests/s through Envoy: h2's, in those of the null responder",
        0.9,
        at_most=False,
        value=lambda one: _rate(one, _BEHIND) / _rate(one, _NULL),
    ),
    Goal(
        "Requests/s through Envoy: h2's, in those of grpc.aio",
        2.2,
        at_most=False,
        value=lambda one: _rate(one, _BEHIND) / _rate(one, _BEHIND_GRPCIO),
    ),
    Goal(
        "CPU per Check with 10,000 hosts, in that with one",
        1.1,
        at_most=True,
        value=lambda one: _cost(one, _MANY_HOSTS) / _cost(one, _BEHIND),
    ),
)
_TAILS = (
    Goal("p99 at half load, in p50", 3, at_most=True, value=lambda one: _tail(one, _DIRECT)),
    Goal("p99 at half load through Envoy, in p50", 3, at_most=True, value=lambda one: _tail(one, _BEHIND)),
)
