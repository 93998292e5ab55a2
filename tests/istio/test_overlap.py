"""Which patterns cover or meet each other, whatever their spelling."""

import pytest

from authz.core import path
from authz.istio import precedence

# general, special, covers, overlaps
PAIRS = [
    ("/a", "/a", True, True),
    ("/a", "/b", False, False),
    ("/a", "/a/", False, False),
    ("/*", "/", True, True),
    ("/*", "/a/{**}", True, True),
    ("/a/{**}", "/*", False, True),
    ("/a/{**}", "/a", False, False),
    ("/a/{**}", "/a/", True, True),
    ("/a/{**}", "/ab/{**}", False, False),
    ("/a/{**}", "/a/{*}/b", True, True),
    ("/{*}", "/a", True, True),
    ("/{*}", "/", False, False),
    ("/{*}", "/{**}", False, True),
    ("/{*}/b", "/a/{*}", False, True),
    ("/{*}/b", "/a/c", False, False),
    ("/{*}/{*}", "/{*}/b", True, True),
    ("/{*}/{**}", "/a/{**}", True, True),
    ("/{**}/z", "/{*}/z", True, True),
    ("/{**}/z", "/a/{**}", False, True),
    ("/{**}/z", "/a/{**}/z", True, True),
    ("/{**}/z", "/a/{*}", False, True),
    ("/{**}/a/b", "/{**}/b", False, True),
    ("/{**}/a", "/{**}/b", False, False),
    ("/{*}/{*}", "/{*}", False, False),
]


@pytest.mark.parametrize(("general", "special", "covers", "overlaps"), PAIRS)
def test_patterns_are_compared_by_what_they_match(general, special, covers, overlaps):
    one, other = path.parse(general), path.parse(special)
    assert precedence.covers(one, other) is covers
    assert precedence.overlaps(one, other) is overlaps
    assert precedence.overlaps(other, one) is overlaps
