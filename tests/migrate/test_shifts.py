"""Which rule of a list decides about a path, then and now."""

import pytest

from authz.migrate.conversion.together.shifts import Shift, every, first, shifts
from authz.migrate.old.rule import Pattern


def routes(*texts):
    return [Pattern(text) for text in texts]


def rules(*texts):
    return [Pattern(text, "oathkeeper") for text in texts]


ROUTES = [
    (routes("/a/.*", "/.*"), [("/a/{**}", 0), ("/*", 1)], []),
    (
        routes("/admin(.*)", "/.*"),
        [("/admin", 0), ("/admin/{**}", 0), ("/*", 1)],
        [Shift("/admina", (0,), 1)],
    ),
    (routes("/a", "/b"), [("/a", 0)], [Shift("/b", (1,), None)]),
    (routes("/a"), [("/{*}", 0)], [Shift("/b", (), 0)]),
    (routes("/.*", "/a"), [("/a", 1), ("/*", 0)], [Shift("/a", (0,), 1)]),
    (routes("/.*", "/a"), [("/*", 0), ("/a", 1)], []),
]
RULES = [
    (rules("/<(?!admin(/|$)).*>", "/admin<(/.*)?>"), [("/admin", 1), ("/admin/{**}", 1), ("/*", 0)], []),
    (rules("/<(?!admin).*>", "/admin"), [("/admin", 1), ("/*", 0)], [Shift("/admina", (), 0)]),
    (rules("/<.*>", "/a"), [("/a", 1), ("/*", 0)], [Shift("/a", (0, 1), 1)]),
    ([Pattern("/a/<**>/b", "glob")], [("/a/{**}/b", 0)], [Shift("/a/b", (0,), None)]),
]


@pytest.mark.parametrize(("old", "new", "expected"), ROUTES)
def test_the_first_route_decided(old, new, expected):
    assert list(shifts(old, new, first)) == expected


@pytest.mark.parametrize(("old", "new", "expected"), RULES)
def test_of_oathkeepers_rules_one_alone_decided(old, new, expected):
    assert list(shifts(old, new, every)) == expected
