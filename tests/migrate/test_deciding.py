"""A path is decided by the rule that decided about it before, or somebody is asked."""

from string import ascii_lowercase

import pytest
import yaml

from authz.migrate import reading
from authz.migrate.choices import Choices
from authz.migrate.convert import convert
from authz.migrate.report import Verdict

GUARD = "[{handler: jwt, config: {authentications: [{issuer: 'https://idp', jwksUri: 'https://idp/keys'}]}}]"
ASK = (
    "[{handler: oauth2_introspection, config: {introspection_url: 'https://idp/ask', "
    "trusted_issuers: ['https://idp']}}]"
)
OPEN = "[{handler: no_auth}]"
NOOP = "[{handler: noop}]"


def questions(*rules, accepted=()):
    """Which kinds of questions an APIRule with these rules, as (path, strategies), is met with."""
    written = "\n".join(
        f"  - {{path: '{path}', methods: [GET], accessStrategies: {access}}}" for path, access in rules
    )
    text = f"""
apiVersion: gateway.kyma-project.io/v1beta1
kind: APIRule
metadata: {{name: shop, namespace: apps}}
spec:
  host: shop.example.com
  gateway: kyma-system/kyma-gateway
  service: {{name: shop, port: 80}}
  rules:
{written}
"""
    made = convert(reading.read([("f.yaml", yaml.safe_load(text))]), Choices(accepted=frozenset(accepted)))
    return [(one.index, one.code) for one in made.findings if one.verdict is Verdict.DECISION]


def test_what_a_narrower_guard_leaves_to_a_public_rule_is_asked():
    """`/admin(.*)` becomes `/admin` and `/admin/{**}`: `/admins` must not be everyone's then."""
    assert questions(("/admin(.*)", GUARD), ("/.*", OPEN)) == [(0, "order")]


@pytest.mark.parametrize(
    "rules",
    [
        [("/admin(/.*)?", GUARD), ("/.*", OPEN)],
        [("/admin(.*)", GUARD), ("/.*", GUARD)],
        [("/admin(.*)", GUARD), ("/b.*", OPEN)],
        [("/admin(.*)", OPEN)],
        [("/a/.*", OPEN), ("/a(.*)", GUARD)],
    ],
)
def test_what_nobody_else_would_decide_is_not_asked(rules):
    assert questions(*rules) == []


def test_a_wider_path_that_takes_from_another_rule_is_asked():
    rules = [("/x/[0-9]+", OPEN), ("/x/.*", GUARD)]
    assert questions(*rules, accepted=["widened:paths"]) == [(1, "order")]


@pytest.mark.parametrize(
    ("rules", "places"),
    [([("/.*/x", NOOP), ("/a(.*)", ASK)], {0, 1}), ([("/x(.*)", ASK), ("/.*", NOOP)], {0})],
)
def test_a_public_rule_that_answered_500_with_a_guarded_one_is_not_opened(rules, places):
    assert set(questions(*rules)) == {(place, "overlap") for place in places}
    assert questions(*rules, accepted=["widened:overlap"]) == []


def test_rules_that_are_too_much_to_compare_are_asked_about():
    many = [(f"/k{letter}|/z.*{letter}.*", GUARD) for letter in ascii_lowercase]
    assert questions(*many, ("/.*", OPEN)) == [(None, "order")]


def of_urls(*urls, method="GET"):
    """The paths that access rules become, and how many wait; the one with the exception is guarded."""
    said = "authorizer: {handler: allow}, mutators: [{handler: noop}], upstream: {url: 'http://shop.apps'}"
    rules = [
        f"{{id: r{at}, match: {{url: 'https://x.example.com{url}', methods: [{verb}]}}, "
        f"authenticators: {ASK if '(?' in url else NOOP}, {said}}}"
        for at, (url, verb) in enumerate(zip(urls, ["GET", method], strict=False))
    ]
    world = reading.read([("f.yaml", [yaml.safe_load(rule) for rule in rules])])
    made = convert(world, Choices(gateway="a/b"))
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
