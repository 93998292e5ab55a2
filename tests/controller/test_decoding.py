"""What somebody writes into an object may be deep; what else it holds is read all the same."""

import json

import pytest

from authz.controller.decoding import DEPTH_MAX, decoded, encoded

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


@pytest.mark.parametrize(
    "value",
    [{"b": 1, "a": "ü"}, 1 << 70, json.loads(nested(500)), "\ud800"],
    ids=["b", "big", "deep", "lone"],
)
def test_whatever_can_be_read_can_be_written(value):
    assert decoded(encoded(value)) == value


def test_what_is_ordered_is_written_the_same():
    one, other = ({"b": 1, "a": {"d": 2, "c": 3}}, {"a": {"c": 3, "d": 2}, "b": 1})
    assert encoded(one, ordered=True) == encoded(other, ordered=True) == b'{"a":{"c":3,"d":2},"b":1}'
