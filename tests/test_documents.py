"""YAML as it may be written here."""

import pytest

from authz import documents

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nkind: *b"


def test_documents_are_read():
    assert documents.read("a: 1\n---\nb: [2]\n---\n") == [{"a": 1}, {"b": [2]}, None]
    assert documents.read("") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "line 1, column 5: "),
        ("a: 1\n\tb: 2", "line 2, column 1: "),
        (BOMB, "line 2, column 8: aliases are not supported"),
        ("[" * 5_000, "line 1, column 51: nested deeper than 50 levels"),
        ("a: " * 60 + "1", "line 1, column 5: "),
        ("a: 1\nb: {c: 1, c: 2}", "line 2, column 11: c stands here twice"),
        ("a: 2024-99-99", "a value can not be read: "),
        ("a: " + "9" * 5_000, "a value can not be read: "),
        ("!!int 'abc'", "a value can not be read: "),
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
