"""What a run leaves in `results.json`: rounds of samples, and the middle of them.

A ratio is taken within each round and then its median, for a round's samples lie close together in time.
"""

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.cases import Case

Results = Mapping[str, Any]
Sample = dict[str, float]
Round = dict[str, Sample]  # by the name of the case


def number(one: Round, case: Case, name: str) -> float:
    """Of a sample; not a number if it was not measured."""
    return one.get(case.name, {}).get(name, math.nan)


def middle(rounds: Sequence[Round], value: Callable[[Round], float]) -> float:
    """The median of what `value` says of each round."""
    return statistics.median(map(value, rounds)) if rounds else math.nan


def medians(rounds: Sequence[Round]) -> dict[str, Sample]:
    """Of each number of each case, and how far its costs lay apart."""
    return {case: _medians([one[case] for one in rounds]) for case in rounds[0]}


def rounded(rounds: Sequence[Round]) -> list[Round]:
    """As many digits as anybody reads."""
    return [{case: {name: round(x, 3) for name, x in one[case].items()} for case in one} for one in rounds]


def others(results: Results) -> float:
    """The share of the cores' time that went elsewhere. Counted in ticks, it may come out below nothing."""
    return max(0.0, float(results["others"]))


def verification_us(results: Results) -> float:
    """What one raw RS256 verification took, over the whole run."""
    rounds: Sequence[Round] = results["rounds"]
    return statistics.median(sample["unit_us"] for one in rounds for sample in one.values())


def _medians(samples: Sequence[Sample]) -> Sample:
    found = {name: statistics.median(each[name] for each in samples) for name in samples[0]}
    costs = [each["cost"] for each in samples if "cost" in each]
    return found | ({"spread": (max(costs) - min(costs)) / found["cost"]} if costs else {})
