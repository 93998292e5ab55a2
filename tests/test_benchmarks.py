"""The report says what the results say: `docs/benchmarks.md` is made, never written."""

import json

import pytest

from benchmarks import figures, report, results, scale
from benchmarks.controller import page
from benchmarks.figures import Figure
from benchmarks.plots import Bar, bars


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "reached"),
    [(3.0, 3.0, True, True), (3.1, 3.0, True, False), (8.0, 8.0, False, True), (7.9, 8.0, False, False)],
)
def test_a_figure_is_reached_to_the_letter(value, goal, at_most, reached):
    assert Figure("cost", value, goal, at_most).reached is reached


def test_figures_without_numbers_are_not_judged():
    assert figures.judge({"rounds": [{}], "paced": [], "memory_mib": {}}) == []


def test_a_ratio_is_taken_within_each_round():
    rounds = [{"a": {"cost": cost}, "b": {"cost": 2 * cost}} for cost in (1.0, 5.0, 3.0)]
    assert results.middle(rounds, lambda one: one["b"]["cost"] / one["a"]["cost"]) == 2.0


def test_the_page_and_the_plots_are_made_from_the_results():
    made = report.render(json.loads(report.RESULTS.read_text()))
    assert {name: (report.DOCS / name).read_text() for name in made} == made


def test_the_controllers_page_is_made_from_its_results():
    results = json.loads(page.RESULTS.read_text())
    assert page.FILE.read_text() == page.render(results)
    assert page.render({}).endswith("p50.\n")


def test_the_longest_bar_is_as_long_as_there_is_room():
    drawn = bars("title", [Bar("a", 1.0, "1"), Bar("b", 4.0, "4")])
    assert 'width="105.0"' in drawn
    assert 'width="420.0"' in drawn


def test_the_plan_for_large_loads_is_made_from_the_results():
    assert scale.PAGE.read_text() == scale.made()
    assert "{{" not in scale.made()


def test_a_replica_may_always_be_missing():
    assert [scale.replicas(load, 100.0) for load in (1, 24_000, 24_001)] == [2, 2, 3]
