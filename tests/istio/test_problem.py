"""Suggestions are made where they are cheap and likely."""

import pytest

from authz.istio.problem import did_you_mean


@pytest.mark.parametrize(
    ("name", "known", "suggestion"),
    [
        ("host", ["hosts", "gateway"], ', did you mean "hosts"?'),
        ("host", ["gateway"], ""),
        ("host", [], ""),
        ("a" * 127, ["a" * 126], f', did you mean "{"a" * 126}"?'),
        ("a" * 128, ["a" * 127], ""),
        ("shop", [f"shop{index}" for index in range(101)], ""),
    ],
)
def test_what_is_close_is_suggested(name, known, suggestion):
    assert did_you_mean(name, known) == suggestion
