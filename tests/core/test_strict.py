"""JSON from others."""

import json

import pytest

from authz.core import strict


@pytest.mark.parametrize(
    "document",
    [
        "[]",
        '"text"',
        "",
        '{"a": 1, "a": 1}',
        '{"a": {"b": 1, "b": 2}}',
        '{"a": NaN}',
        '{"a": -Infinity}',
        "{} {}",
        "[" * 100_000,
        '{"a": ' + "1" * 5_000 + "}",
        " " * strict.DOCUMENT_MAX_BYTES + "{}",
    ],
)
def test_what_two_readers_could_take_for_two_things_is_refused(document):
    with pytest.raises(ValueError):  # noqa: PT011  # the caller's one error, whatever was wrong
        strict.read(document.encode())


def test_documents_share_their_names():
    (first,), (second,) = (strict.read(b'{"a claim": %d}' % number) for number in range(2))
    assert first is second


def test_of_names_that_anyone_may_send_few_are_kept():
    for number in range(2 * strict.NAMES_MAX):
        strict.read(json.dumps({f"name {number}": 1}).encode())
    assert strict._shared.cache_info().currsize == strict.NAMES_MAX
