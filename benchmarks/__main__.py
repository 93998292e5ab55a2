"""`python -m benchmarks`: ten minutes, and the report is written; with `--quick` one, and it is printed."""

import os
import platform
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from authz.local.failure import CannotRun
from benchmarks import cases, figures, flood, issuer, measure, report, scale, servers, stages, tools, workload
from benchmarks.cases import AGAIN, HALF, HOSTS, ONE, THROUGH_ENVOY, Bench, Case
from benchmarks.load import Generators
from benchmarks.measure import Plan
from benchmarks.process import LOAD_CORE, SERVER_CORE, busy_s, on
from benchmarks.results import Results, medians, others, rounded
from benchmarks.servers import ENVOY, H2, HOSTS_OF, Place
from benchmarks.tools import Tools
from benchmarks.workload import Requests

TOKENS = 10_000
CORES = 2  # one for the server, one for the load

FULL = Plan(cases.full(), cases.paced(cases.full()), rounds=3, paced_rounds=2, seconds=2)
QUICK = Plan(cases.quick(), [Case(THROUGH_ENVOY, H2)], rounds=2, paced_rounds=1, seconds=2)


@click.command()
@click.option("--quick", is_flag=True, help="The essential ratios in about a minute; nothing is written.")
def main(quick: bool) -> None:
    """Measure our authorizer and its neighbours. Takes Linux and two cores."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every server is ended
    began = time.monotonic()
    try:
        results = _results(QUICK if quick else FULL)
    except (CannotRun, OSError) as error:
        raise click.ClickException(str(error)) from error
    for figure in figures.judge(results):
        click.echo(figure.line)
    click.echo(f"others took {others(results):.0%} of the machine meanwhile")
    if not quick:
        report.write(results)
        scale.write()
    click.echo(f"{time.monotonic() - began:.0f} s")


def _results(plan: Plan) -> Results:
    if len(os.sched_getaffinity(0)) < CORES:
        raise OSError("two cores are needed: one for the server, one for the load")
    began, before_s, ours_s = time.monotonic(), busy_s(), sum(os.times()[:4])
    with on(SERVER_CORE):
        steps = stages.measure()
    found = tools.find()
    tails = {}
    if plan is FULL:
        click.echo("watching one tenant while another is flooded")
        tails = flood.measure(found)
    with on(LOAD_CORE), _bench(plan, found) as bench:
        rounds = measure.run(bench, plan, click.echo)
        paced = measure.run_paced(bench, plan, medians(rounds), click.echo)
        memory = {name: round(process.resident_mib) for name, process in bench.servers.processes.items()}
    others_s = busy_s() - before_s - (sum(os.times()[:4]) - ours_s)
    return {
        "machine": {"processor": _processor(), "python": platform.python_version()},
        "others": round(others_s / (time.monotonic() - began) / CORES, 2),
        "memory_mib": memory,
        "stages": steps,
        "flood": tails,
        "rounds": rounded(rounds),
        "paced": rounded(paced),
    }


@contextmanager
def _bench(plan: Plan, found: Tools) -> Iterator[Bench]:
    """Everything built, signed, written down and started."""
    with TemporaryDirectory(prefix="authz-bench-") as name, issuer.serving() as keys:
        folder = Path(name)
        workload.descriptors(folder / "descriptors")
        click.echo(f"signing {TOKENS} tokens")
        requests = _requests(folder)
        asked = list(dict.fromkeys(case.asked for case in plan.cases if not case.asked_of_envoy))
        behind = list(dict.fromkeys(case.asked for case in plan.cases if case.by == THROUGH_ENVOY))
        place = Place(folder, keys, found.oauth2_proxy, requests[ONE].body)
        click.echo(f"starting {', '.join([*asked, ENVOY])}")
        with servers.running(place, [*asked, ENVOY], behind) as running:
            generators = Generators(found.ghz, found.h2load, found.wrk, folder / "descriptors")
            yield Bench(running, generators, requests)


def _requests(folder: Path) -> dict[str, Requests]:
    good = [issuer.good(number) for number in range(TOKENS)]
    half = [issuer.forged(number) if number % 2 else token for number, token in enumerate(good)]
    one = workload.hosts(1)
    made = {ONE: (one, good[:1]), AGAIN: (one, good), HALF: (one, half)}
    made |= {f"{HOSTS} of {count}": (workload.hosts(count), good[:1]) for count in HOSTS_OF.values()}
    return {name: workload.write(folder, name, *each) for name, each in made.items()}


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
