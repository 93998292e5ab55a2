"""A path is decided by the rule that decided about it before, or somebody is asked."""

from string import ascii_lowercase

import pytest

from authz.migrate.conversion.convert import convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.report.rows import Verdict
from tests.migrate.written import (
    BY_MESH,
    NOOP,
    OPAQUE,
    UNCHECKED,
    access_rule,
    access_rules,
    apirule,
    strategy,
)


def questions(*rules, accepted=()):
    """Which kinds of questions an APIRule with these rules, as (path, strategies), is met with."""
    world = apirule(*(strategy(path, "GET", access) for path, access in rules))
    made = convert(world, Choices(accepted=frozenset(accepted)))
    return [(one.index, one.code) for one in made.findings if one.verdict is Verdict.DECISION]


def test_what_a_narrower_guard_leaves_to_a_public_rule_is_asked():
    """`/admin(.*)` becomes `/admin` and `/admin/{**}`: `/admins` must not be everyone's then."""
    assert questions(("/admin(.*)", BY_MESH), ("/.*", UNCHECKED)) == [(0, "order")]


@pytest.mark.parametrize(
    "rules",
    [
        [("/admin(/.*)?", BY_MESH), ("/.*", UNCHECKED)],
        [("/admin(.*)", BY_MESH), ("/.*", BY_MESH)],
        [("/admin(.*)", BY_MESH), ("/b.*", UNCHECKED)],
        [("/admin(.*)", UNCHECKED)],
        [("/a/.*", UNCHECKED), ("/a(.*)", BY_MESH)],
    ],
)
def test_what_nobody_else_would_decide_is_not_asked(rules):
    assert questions(*rules) == []


def test_a_wider_path_that_takes_from_another_rule_is_asked():
    rules = [("/x/[0-9]+", UNCHECKED), ("/x/.*", BY_MESH)]
    assert questions(*rules, accepted=["widened:paths"]) == [(1, "order")]


@pytest.mark.parametrize(
    ("rules", "places"),
    [([("/.*/x", NOOP), ("/a(.*)", OPAQUE)], {0, 1}), ([("/x(.*)", OPAQUE), ("/.*", NOOP)], {0})],
)
def test_a_public_rule_that_answered_500_with_a_guarded_one_is_not_opened(rules, places):
    assert set(questions(*rules)) == {(place, "overlap") for place in places}
    assert questions(*rules, accepted=["widened:overlap"]) == []


def test_rules_that_are_too_much_to_compare_are_asked_about():
    many = [(f"/k{letter}|/z.*{letter}.*", BY_MESH) for letter in ascii_lowercase]
    assert questions(*many, ("/.*", UNCHECKED)) == [(None, "order")]


def of_urls(*urls, method="GET"):
    """The paths that access rules become, and how many wait; the one with the exception is guarded."""
    rules = [
        access_rule(url, OPAQUE if "(?" in url else NOOP, verb)
        for url, verb in zip(urls, ["GET", method], strict=False)
    ]
    made = convert(access_rules(*rules), Choices(gateway="a/b"))
    return [rule["path"] for one in made.apirules for rule in one["spec"]["rules"]], len(made.open)


@pytest.mark.parametrize(
    ("urls", "paths"),
    [
        (["/<(?!admin(/|$)).*>", "/admin<(/.*)?>"], ["/admin", "/admin/{**}", "/*"]),
        (["/admin<(/.*)?>", "/<(?!admin(/|$)).*>"], ["/admin", "/admin/{**}", "/*"]),
        (["/a/<(?!b$).*>", "/a/b"], ["/a/b", "/a/{**}"]),
    ],
)
def test_a_path_with_exceptions_follows_the_rules_that_they_are_for(urls, paths):
    assert of_urls(*urls) == (paths, 0)


@pytest.mark.parametrize("urls", [["/<(?!admin).*>", "/admin<(/.*)?>"], ["/<(?!admin(/|$)).*>"]])
def test_exceptions_that_no_rule_is_for_stay(urls):
    """`/` is all that is certain; `/admins` was nobody's."""
    paths, _ = of_urls(*urls)
    assert "/" in paths
    assert "/*" not in paths


def test_exceptions_that_a_rule_is_for_with_another_method_stay():
    paths, _ = of_urls("/<(?!admin(/|$)).*>", "/admin<(/.*)?>", method="POST")
    assert "/*" not in paths
