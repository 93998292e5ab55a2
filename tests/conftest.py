"""What holds for all tests: none is timed; in CI nothing is skipped, a test that can not run has failed."""

import gc
import os
from collections.abc import Generator, Iterable
from pathlib import Path

import pytest
from hypothesis import settings

MEASURED = [Path(__file__).parent / room for room in ("core", "istio")]
gc.disable()  # until all tests are collected: there is no garbage in what is imported

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")


def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """A room is covered by its own tests: to measure what the others pass through takes as long again."""
    for item in items:
        if not any(item.path.is_relative_to(room) for room in MEASURED):
            item.add_marker("no_cover")


def pytest_collection_finish() -> None:
    """What is there now stays, and need not be looked through again and again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip in CI counts as a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
    return report
