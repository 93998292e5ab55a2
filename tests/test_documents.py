"""YAML as it may be written here."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from authz import documents

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nkind: *b"


def test_documents_are_read():
    assert documents.read("a: 1\n---\nb: [2]\n---\n") == [{"a": 1}, {"b": [2]}, None]
    assert documents.read("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "line 2, column 1: "),
        ("a: 1\n\tb: 2", "line 2, column 1: "),
        (BOMB, "line 2, column 8: aliases are not supported"),
        ("[" * 5_000, "line 1, column 51: nested deeper than 50 levels"),
        ("a: " * 60 + "1", "line 1, column 5: "),
        ("a: 1\nb: {c: 1, c: 2}", "line 2, column 11: c stands here twice"),
        ("a: {1: b, true: c}", "line 1, column 11: true stands here twice"),
        ("a: 2024-99-99", "a value can not be read: "),
        ("a: " + "9" * 5_000, "a value can not be read: "),
        ("!!int 'abc'", "a value can not be read: "),
        ("!!set {a, b}", "line 1, column 1: tag:yaml.org,2002:set is not supported"),
        ("a: <<", "could not determine a constructor"),
        ("!!python/object/apply:os.system [ls]", "line 1, column 1: "),
        ("a: \x00", "unacceptable character"),
        ("? [a]\n: b", "line 1, column 3: "),
        ("a: 1\n" * (4 << 20), "longer than 16 MiB"),
    ],
)
def test_what_is_not_plain_is_refused_in_one_line(text, expected):
    with pytest.raises(documents.Malformed) as error:
        documents.read(text)
    assert expected in str(error.value)
    assert "\n" not in str(error.value)


TAGGED = "a: !!str 1\nb: !!int '2'\nc: ! x\nd: !!seq [~, 'y', 0x1F, 2026-01-02]\ne: !!map {1: true}\nf:"


def test_values_are_those_of_yaml_1_1():
    assert documents.read(TAGGED) == [yaml.safe_load(TAGGED)]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
plain = st.one_of(texts, st.integers(), st.booleans(), st.none(), st.dates(), st.floats(allow_nan=False))
values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)

styles = st.sampled_from([None, "'", '"', "|"])


@given(
    st.lists(values, max_size=3), st.sampled_from([None, True, False]), st.sampled_from([None, "'", '"', "|"])
)
@settings(max_examples=300, deadline=None)
def test_documents_are_read_as_pyyaml_reads_them(written, flow, style):
    text = yaml.safe_dump_all(written, default_flow_style=flow, default_style=style)
    if "&id" not in text:  # the same date twice is an alias
        assert documents.read(text) == list(yaml.safe_load_all(text))
