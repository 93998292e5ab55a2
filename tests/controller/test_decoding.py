"""What somebody writes into an object may be deep; what else it holds is read all the same."""

import json

import pytest

from authz.controller.decoding import DEPTH_MAX, decoded

LEVELS = 9_000  # the API server takes 10,000


def nested(levels, start='{"f:a":', end="}"):
    return start * levels + "{}" + end * levels


@pytest.mark.parametrize(
    "deep", [nested(LEVELS), nested(LEVELS, "[", "]"), nested(LEVELS, r'{"\"]}\\":', "}")], ids="{[s"
)
def test_what_is_too_deep_is_left_out_and_the_rest_is_read(deep):
    found = decoded(f'{{"a": [1, "}}]\\"", {deep}, 2], "b": {{"c": {deep}, "d": 3}}}}'.encode())
    assert (found["a"][:2], found["a"][3], found["b"]["d"]) == ([1, '}]"'], 2, 3)
    left, levels = found["b"]["c"], 2
    while left is not None:
        (left,) = left.values() if isinstance(left, dict) else left
        levels += 1
    assert levels == DEPTH_MAX


@pytest.mark.parametrize("text", ["", "{", "]", "[" * LEVELS, '{"a": "'])
def test_what_is_no_json_is_no_error_of_ours(text):
    with pytest.raises(ValueError, match=r"."):
        decoded(text.encode())


def test_what_is_as_deep_as_anything_is_left_as_it_is():
    text = nested(DEPTH_MAX)
    assert decoded(text.encode()) == json.loads(text)
