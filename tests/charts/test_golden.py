"""What the chart renders without a value given, as it stands: a change of a template shows here.

`GOLDEN=write` writes it anew: then the difference is what there is to review.
"""

import os
from pathlib import Path

import pytest

from tests.charts.helm import CHART, NAMESPACE, RELEASE, run

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden.yaml"


def test_nothing_given_gives_the_golden_output():
    text = run("template", RELEASE, CHART, "--namespace", NAMESPACE)
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text(), "run `make golden`, and review the difference"
    assert not [line for line in text.splitlines() if line != line.rstrip()]
