"""Rounds of samples: every case once a round, so that what the machine does meanwhile hits all alike.

The first round warms up and is thrown away; of the others the median counts.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from benchmarks.cases import FIRST, Bench, Case
from benchmarks.load import Load
from benchmarks.process import SERVER_CORE, on
from benchmarks.results import Round, Sample
from benchmarks.servers import ENVOY

WARM_UP_CALLS = 2_000
WARM_UP_S = 1
VERIFICATIONS = 1_000  # before and after each sample: 50 ms, in which the machine does not change
REFUSED_TOLERANCE = 0.02  # a load ends in the middle of its requests

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything."""

    cases: Sequence[Case]
    paced: Sequence[Case]
    rounds: int
    paced_rounds: int
    seconds: int


def run(bench: Bench, plan: Plan, say: Say) -> list[Round]:
    """Every case once a round. Raises OSError if a server answers otherwise than it should.

    In a sample `cost` is the server's CPU for one request in verifications measured beside it: the speed
    of a machine that others use as well drifts by a third within minutes, and both drift alike.
    """
    verify = verification()
    counts = {case: _warmed(bench, case, plan, verify, say) for case in plan.cases}
    rounds = []
    for number in range(1, plan.rounds + 1):
        found = {}
        for case in plan.cases:
            sample = found[case.name] = _sample(bench, case, counts[case], plan.seconds, verify)
            say(f"round {number} of {plan.rounds}  {case.name:48} {_line(sample)}")
        rounds.append(found)
    return rounds


def run_paced(bench: Bench, plan: Plan, reached: Mapping[str, Sample], say: Say) -> list[Round]:
    """Latencies at half of the rate that each case reached."""
    rounds = []
    for number in range(1, plan.paced_rounds + 1):
        found = {}
        for case in plan.paced:
            load = bench.paced(case, reached[case.name]["rate"] / 2, plan.seconds)
            sample = found[case.name] = _latencies(load)
            say(f"half load {number} of {plan.paced_rounds}  {case.name:46} {_quantiles(sample)}")
        rounds.append(found)
    return rounds


def _warmed(bench: Bench, case: Case, plan: Plan, verify: Callable[[], float], say: Say) -> int:
    """How many calls take the time that a sample has."""
    wanted = max(WARM_UP_CALLS, bench.asked(case).count)
    sample = _sample(bench, case, wanted, WARM_UP_S, verify)
    say(f"warm-up       {case.name:48} {_line(sample)}")
    return max(wanted, round(sample["rate"] * plan.seconds))


def _sample(bench: Bench, case: Case, count: int, seconds: int, verify: Callable[[], float]) -> Sample:
    if case.what == FIRST:
        bench.servers.restart(case.asked)
    processes = bench.servers.processes
    watched = {name: processes[name] for name in (case.asked, ENVOY) if name in processes}
    unit_us = verify()
    before = {name: process.cpu_s for name, process in watched.items()}
    load = bench.run(case, count, seconds)
    spent = {name: (process.cpu_s - before[name]) / load.done * 1e6 for name, process in watched.items()}
    unit_us = (unit_us + verify()) / 2
    _as_expected(case, load)
    sample = {"rate": load.done / load.seconds, "envoy_us": spent[ENVOY], "unit_us": unit_us}
    if case.asked in spent:
        sample |= {"cpu_us": spent[case.asked], "cost": spent[case.asked] / unit_us}
    return sample


def _latencies(load: Load) -> Sample:
    ordered = sorted(load.latencies_ms)
    shares = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999}
    found = {name: ordered[math.ceil(share * len(ordered)) - 1] for name, share in shares.items()}
    return found | {"rate": load.done / load.seconds}


def _as_expected(case: Case, load: Load) -> None:
    if load.failed:
        raise OSError(f"{case.name}: {load.failed} of {load.done} requests failed")
    if abs(load.refused / load.done - case.refused) > REFUSED_TOLERANCE:
        raise OSError(f"{case.name}: {load.refused} of {load.done} requests were refused")


def verification() -> Callable[[], float]:
    """µs of CPU for one RS256 verification by `cryptography`, nothing around it."""
    private = rsa.generate_private_key(65537, 2048)
    message = b"x" * 500
    signature = private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    public, scheme, digest = private.public_key(), padding.PKCS1v15(), hashes.SHA256()

    def verify() -> float:
        with on(SERVER_CORE):
            began = time.thread_time()
            for _ in range(VERIFICATIONS):
                public.verify(signature, message, scheme, digest)
            return (time.thread_time() - began) / VERIFICATIONS * 1e6

    return verify


def _line(sample: Sample) -> str:
    cost = f"{sample['cpu_us']:7.1f} µs CPU, {sample['cost']:.2f} verifications" if "cost" in sample else ""
    return f"{sample['rate']:8.0f}/s {cost}"


def _quantiles(sample: Sample) -> str:
    return f"p50 {sample['p50_ms']:.2f}  p99 {sample['p99_ms']:.2f}  p99.9 {sample['p999_ms']:.2f} ms"
