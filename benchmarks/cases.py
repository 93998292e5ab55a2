"""What is measured: who asks whom for what. A case is one row of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.load import Generators, Load
from benchmarks.oauth2_proxy import AUTH
from benchmarks.process import LOAD_CORE, LOOPBACK, SERVER_CORE
from benchmarks.servers import (
    GRPCIO,
    GRPCIO_NEW,
    H2,
    H2_1_000,
    H2_10_000,
    H2_NEW,
    HOSTS_OF,
    JWT,
    JWT_CACHED,
    NONE,
    NULL_GRPCIO,
    NULL_H2,
    OAUTH2_PROXY,
    Servers,
)
from benchmarks.workload import PATH, Requests

GHZ, H2LOAD, WRK, THROUGH_ENVOY = "ghz", "h2load", "wrk", "through Envoy"
ONE, FIRST, AGAIN, HALF, HOSTS = "one token", "first seen", "10,000 tokens", "half invalid", "all hosts"


@dataclass(frozen=True, slots=True)
class Case:
    """`by` a generator, `asked` of a server, `what`."""

    by: str
    asked: str
    what: str = ONE

    @property
    def name(self) -> str:
        """Its key among the results."""
        return f"{self.by} / {self.asked} / {self.what}"

    @property
    def asked_of_envoy(self) -> bool:
        """Nobody but Envoy is asked."""
        return self.asked in (NONE, JWT, JWT_CACHED)

    @property
    def refused(self) -> float:
        """The share of requests that ought to get an error status; gRPC has none for a denial."""
        return 0.5 if self.what == HALF and self.by in (WRK, THROUGH_ENVOY) else 0.0


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything a case needs to run."""

    servers: Servers
    generators: Generators
    requests: dict[str, Requests]

    def run(self, case: Case, count: int, seconds: int) -> Load:
        """`count` calls, or as many as `seconds` allow."""
        asked, limit = self.asked(case), self._limit(case)
        if case.by == THROUGH_ENVOY:
            return self.generators.gets(self._url(case), asked, SERVER_CORE, seconds, limit)
        if case.by == WRK:
            return self.generators.gets(self._url(case), asked, LOAD_CORE, seconds)
        port = self.servers.ports[case.asked]
        send = self.generators.calls if case.by == GHZ else self.generators.frames
        return send(port, asked, LOAD_CORE, limit or count)

    def paced(self, case: Case, rate: float, seconds: int) -> Load:
        """At a steady rate."""
        asked = self.asked(case)
        if case.by == H2LOAD:
            port = self.servers.ports[case.asked]
            return self.generators.paced_frames(port, asked, LOAD_CORE, rate, seconds)
        core = SERVER_CORE if case.by == THROUGH_ENVOY else LOAD_CORE
        return self.generators.paced_gets(self._url(case), asked, core, rate, seconds)

    def asked(self, case: Case) -> Requests:
        """What is sent."""
        if case.what == HOSTS:
            return self.requests[f"{HOSTS} of {HOSTS_OF[case.asked]}"]
        return self.requests[AGAIN if case.what == FIRST else case.what]

    def _limit(self, case: Case) -> int:
        return self.requests[AGAIN].count if case.what == FIRST else 0

    def _url(self, case: Case) -> str:
        if case.by == WRK:
            return f"http://{LOOPBACK}:{self.servers.ports[case.asked]}{AUTH}"
        return f"http://{LOOPBACK}:{self.servers.behind[case.asked]}{PATH}"


def full() -> list[Case]:
    """About ten minutes."""
    by_ghz = [Case(GHZ, name) for name in (H2, GRPCIO, NULL_H2, NULL_GRPCIO)]
    by_ghz += [
        Case(GHZ, H2_NEW, FIRST),
        Case(GHZ, GRPCIO_NEW, FIRST),
        Case(GHZ, H2, AGAIN),
        Case(GHZ, H2, HALF),
    ]
    by_ghz += [Case(GHZ, H2_1_000, HOSTS), Case(GHZ, H2_10_000, HOSTS)]
    saturated = [Case(H2LOAD, name) for name in (H2, GRPCIO, NULL_H2, NULL_GRPCIO)]
    saturated += [Case(WRK, OAUTH2_PROXY, what) for what in (ONE, AGAIN, HALF)]
    behind = [Case(THROUGH_ENVOY, name) for name in (NONE, JWT, JWT_CACHED, H2, GRPCIO, NULL_H2)]
    behind += [Case(THROUGH_ENVOY, name, AGAIN) for name in (JWT, JWT_CACHED, H2, GRPCIO)]
    behind += [Case(THROUGH_ENVOY, H2_NEW, FIRST), Case(THROUGH_ENVOY, H2, HALF)]
    behind += [Case(THROUGH_ENVOY, name, HOSTS) for name in (H2_1_000, H2_10_000)]
    return [*by_ghz, *saturated, *behind]


def quick() -> list[Case]:
    """About one minute: what the essential ratios need."""
    direct = [Case(H2LOAD, H2), Case(H2LOAD, GRPCIO), Case(WRK, OAUTH2_PROXY)]
    behind = [Case(THROUGH_ENVOY, name) for name in (NONE, H2, GRPCIO, NULL_H2)]
    return [*direct, *behind, Case(THROUGH_ENVOY, H2_NEW, FIRST)]


def paced(cases: Sequence[Case]) -> list[Case]:
    """Those of them whose latency is looked at, at half the rate they reached."""
    return [each for each in cases if each.what == ONE and each.by != GHZ]
