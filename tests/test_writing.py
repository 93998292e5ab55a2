"""Documents written as YAML are read back as they were, by us and by readers of YAML 1.1 and 1.2."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from authz import documents, writing

# What some reader takes for a boolean, a number, a time, nothing, or a sign of YAML's own.
MISTAKABLE = ["y", "N", "yes", "off", "True", "null", "~", "", "1e3", "0o17", "0x1F", "1_000", ".5", "+1"]
MISTAKABLE += ["-", "-1", "1:30", "2026-01-02", ".inf", "NaN", "=", "<<", "?", ":", "a: b", "a #b", "#", "*"]
MISTAKABLE += ["%REQ(a)%", "@", "`", "a'b", '"', "\\", " a", "a ", "[", "{", "|", ">", "---", "...", "&a"]
MISTAKABLE += ["!t", "é"]


@pytest.mark.parametrize("text", MISTAKABLE)
def test_text_stays_text(text):
    written = writing.write([{"a": text, text: [text]}])
    assert yaml.safe_load(written) == {"a": text, text: [text]}


def test_lists_stand_under_their_keys_and_documents_apart():
    document: dict[str, Any] = {"a": [{"b": 1, "c": [[True], []]}, "d"], "e": {"f": {}}, "g": None, "h": ()}
    assert writing.write([document, {"a": 1}]) == (
        "a:\n  - b: 1\n    c:\n      - - true\n      - []\n  - d\ne:\n  f: {}\ng: null\nh: []\n---\na: 1\n"
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
values = st.recursive(
    st.one_of(texts, st.integers(), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(texts, values, min_size=1, max_size=3), max_size=2))
@settings(max_examples=300, deadline=None)
def test_whatever_is_written_is_read_back(written):
    assert documents.read(writing.write(written)) == written
