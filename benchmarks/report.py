"""The report: `docs/benchmarks.md` and its plots, made from `results.json` and nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.cases import GHZ, H2LOAD, HOSTS, THROUGH_ENVOY, WRK, Case
from benchmarks.plots import Bar, bars
from benchmarks.results import Results, medians, others, verification_us
from benchmarks.servers import H2, H2_1_000, H2_10_000

RESULTS = Path(__file__).with_name("results.json")
DOCS = Path(__file__).parents[1] / "docs"
TEXT = Path(__file__).with_name("report.md")  # what people wrote, with a place for each table


def write(results: Results) -> None:
    """Everything anew."""
    RESULTS.write_text(json.dumps(results, indent=2) + "\n")
    for name, text in render(json.loads(RESULTS.read_text())).items():
        file = DOCS / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def render(results: Results) -> dict[str, str]:
    """File name to text, under docs/."""
    return {
        "benchmarks.md": _page(results),
        "benchmarks/throughput.svg": _throughput(results),
        "benchmarks/latency.svg": _latency(results),
        "benchmarks/hosts.svg": _hosts(results),
    }


def _page(results: Results) -> str:
    places = {
        "FIGURES": _table(("figure", "goal", "measured", "", "measured / goal"), _figures(results)),
        "DIRECT": _table(_COST, _costs(results, (H2LOAD, WRK))),
        "GHZ": _table(_COST, _costs(results, (GHZ,))),
        "ENVOY": _table(_BEHIND, _behind(results)),
        "LATENCY": _table(_TAIL, _tails(results)),
        "STAGES": _table(
            ("step", "in verifications"), [(step, f"{cost:.2f}") for step, cost in results["stages"].items()]
        ),
        "FLOOD": _table(
            ("load", "p50 ms", "p99 ms"),
            [
                (load, f"{one['p50_ms']:.2f}", f"{one['p99_ms']:.2f}")
                for load, one in results["flood"].items()
            ],
        ),
        "MEMORY": _table(
            ("process", "MiB"), [(name, f"{mib}") for name, mib in results["memory_mib"].items()]
        ),
        "UNIT": f"{verification_us(results):.1f}",
        "ROUNDS": str(len(results["rounds"])),
        "PROCESSOR": results["machine"]["processor"],
        "OTHERS": f"{others(results) * 100:.0f} %",
        "PYTHON": results["machine"]["python"],
    }
    text = TEXT.read_text()
    for name, value in places.items():
        text = text.replace(f"{{{{{name}}}}}", value)
    return text


_COST = ("load", "asked", "what", "CPU per request, in verifications", "aside: µs", "requests/s", "spread")
_BEHIND = ("check", "what", "requests/s", "authorizer's CPU, in verifications", "aside: µs", "Envoy's µs")
_TAIL = ("load", "asked", "p99 / p50", "p99.9 / p50", "aside: requests/s", "p50 ms", "p99 ms", "p99.9 ms")


def _figures(results: Results) -> Iterable[Sequence[str]]:
    for figure in figures.judge(results):
        verdict = "reached" if figure.reached else "**not reached**"
        share = f"{figure.value / figure.goal:.2f}"
        yield figure.text, figure.bound, f"{figure.value:.2f}", verdict, share


def _costs(results: Results, by: Sequence[str]) -> Iterable[Sequence[str]]:
    for load, asked, what, sample in _samples(medians(results["rounds"]), by):
        yield (
            load,
            asked,
            what,
            f"{sample['cost']:.2f}",
            f"{sample['cpu_us']:.1f}",
            f"{sample['rate']:,.0f}",
            _percent(sample),
        )


def _behind(results: Results) -> Iterable[Sequence[str]]:
    for _, asked, what, sample in _samples(medians(results["rounds"]), (THROUGH_ENVOY,)):
        shown = (f"{sample['cost']:.2f}", f"{sample['cpu_us']:.1f}") if "cost" in sample else ("", "")
        yield asked, what, f"{sample['rate']:,.0f}", *shown, f"{sample['envoy_us']:.1f}"


def _tails(results: Results) -> Iterable[Sequence[str]]:
    for load, asked, _, sample in _samples(medians(results["paced"]), (H2LOAD, WRK, THROUGH_ENVOY)):
        middle, tail, end = (sample[name] for name in ("p50_ms", "p99_ms", "p999_ms"))
        ratios = f"{tail / middle:.1f}", f"{end / middle:.1f}"
        yield load, asked, *ratios, f"{sample['rate']:,.0f}", f"{middle:.2f}", f"{tail:.2f}", f"{end:.2f}"


def _samples(
    samples: Mapping[str, Any], by: Sequence[str]
) -> Iterable[tuple[str, str, str, Mapping[str, float]]]:
    for name, sample in samples.items():
        load, asked, what = name.split(" / ")
        if load in by:
            yield load, asked, what, sample


def _percent(sample: Mapping[str, float]) -> str:
    return f"{sample['spread'] * 100:.0f} %"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _throughput(results: Results) -> str:
    rows = [
        Bar(asked, sample["rate"], f"{sample['rate']:,.0f}", asked == H2)
        for _, asked, what, sample in _samples(medians(results["rounds"]), (THROUGH_ENVOY,))
        if what == "one token"
    ]
    return bars("Requests per second through one Envoy worker, one token", rows)


def _latency(results: Results) -> str:
    rows = [
        Bar(f"{asked}, {name}", sample[key], f"{sample[key]:.2f} ms", asked == H2)
        for _, asked, _, sample in _samples(medians(results["paced"]), (THROUGH_ENVOY,))
        for name, key in (("p50", "p50_ms"), ("p99", "p99_ms"), ("p99.9", "p999_ms"))
    ]
    return bars("Latency through Envoy at half of each one's maximal rate", rows)


def _hosts(results: Results) -> str:
    cases = {
        "1 host": Case(THROUGH_ENVOY, H2),
        "1,000 hosts": Case(THROUGH_ENVOY, H2_1_000, HOSTS),
        "10,000 hosts": Case(THROUGH_ENVOY, H2_10_000, HOSTS),
    }
    found = medians(results["rounds"])
    costs = {label: found[case.name]["cost"] for label, case in cases.items()}
    return bars(
        "CPU per Check by number of hosts, in RS256 verifications",
        [Bar(n, c, f"{c:.2f}", ours=True) for n, c in costs.items()],
    )
