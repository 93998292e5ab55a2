"""A host that is a pattern becomes a list of hosts, or a wildcard, where that is the same."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.migrate.conversion import hosts
from authz.migrate.conversion.convert import convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.language.node import Undecided
from authz.migrate.old import reading
from authz.migrate.old.rule import Pattern
from tests.migrate.written import access_rule, access_rules

SAME = [
    ("shop.example.com", "oathkeeper", ["shop.example.com"]),
    ("localhost:4455", "oathkeeper", ["localhost"]),
    ("<shop|www>.example.com", "oathkeeper", ["shop.example.com", "www.example.com"]),
    (r"<(www\.)?>example.com", "oathkeeper", ["example.com", "www.example.com"]),
    ("<(?i)a>.example.com", "oathkeeper", ["a.example.com"]),
    ("example.com<(:[0-9]+)?>", "oathkeeper", ["example.com"]),
    ("<v[12]>.example.com", "oathkeeper", ["v1.example.com", "v2.example.com"]),
    ("<.*>.example.com", "oathkeeper", ["*.example.com"]),
    ("<.+>.example.com", "oathkeeper", ["*.example.com"]),
    ("<[a-z0-9.-]+>.example.com", "oathkeeper", ["*.example.com"]),
    ("<.*>.example.com<(:443)?>", "oathkeeper", ["*.example.com"]),
    ("<**>.example.com", "glob", ["*.example.com"]),
    ("<{shop,www}>.example.com", "glob", ["shop.example.com", "www.example.com"]),
]
OTHERS = [
    ("<.*>", "oathkeeper", "a", None, None),
    ("<.*>.com", "oathkeeper", "a.com", None, None),
    ("<[a-z]+>.example.com", "oathkeeper", "a.example.com", "*.example.com", "0.example.com"),
    ("<*>.example.com", "glob", "a.example.com", "*.example.com", "a.a.example.com"),
    ("<.*>.a-<x|y>.example.com", "oathkeeper", "a.a-x.example.com", "*.example.com", "a.example.com"),
    ("<(.*\\.)?>example.com", "oathkeeper", "example.com", None, None),
    ("127.0.0.1", "oathkeeper", "127.0.0.1", None, None),
    ("<http://a/b>", "oathkeeper", None, None, None),
]


@pytest.mark.parametrize(("text", "strategy", "names"), SAME)
def test_a_pattern_becomes_the_same_hosts(text, strategy, names):
    assert hosts.convert(Pattern(text, strategy)) == hosts.Hosts(tuple(names))


@pytest.mark.parametrize("row", OTHERS)
def test_what_hosts_can_not_say_is_shown(row):
    text, strategy, *expected = row
    assert hosts.convert(Pattern(text, strategy)) == hosts.Hosts((), *expected)


def test_more_hosts_than_a_person_would_read_are_none():
    text = "<" + "|".join(f"host-{number}" for number in range(51)) + ">.example.com"
    assert hosts.convert(Pattern(text, "oathkeeper")).names == ()


def test_a_host_that_is_not_understood_is_undecided():
    with pytest.raises(Undecided):
        hosts.convert(Pattern(r"<(a)\1>.example.com", "oathkeeper"))


parts = st.sampled_from(
    ["a", "b", "a.", "-", ".", "<.*>", "<[ab]>", r"<(a\.)?>", "<[^.]+>", "<a|b.c>", "<:1>"]
)


@given(st.lists(parts, max_size=4).map("".join), st.lists(st.text("ab.-c", min_size=1), min_size=1))
def test_names_are_those_that_the_pattern_takes(text, candidates):
    text += ".ab.cd"
    found = hosts.convert(Pattern(text, "oathkeeper"))
    old = re.compile("".join(part[1:-1].join("()") if "<" in part else re.escape(part)
                             for part in re.split("(<[^>]*>)", text)) + "(:[0-9]+)?")  # fmt: skip
    for name in [f"{candidate}.ab.cd" for candidate in candidates]:
        if found.names and re.fullmatch(r"(?:[a-c](?:[a-c-]*[a-c])?\.)*[a-c]+\.ab\.cd", name):
            taken = any(name == one or (one[0] == "*" and name.endswith(one[1:])) for one in found.names)
            assert taken == bool(old.fullmatch(name)), name


def test_access_rules_of_one_host_are_one_apirule_wherever_their_services_are():
    """A file of them has no namespace; the first Service's is as good as any."""
    rules = [
        access_rule(f"/{name}") | {"upstream": {"url": f"http://{name}.{where}:80"}}
        for name, where in (("orders", "shop"), ("pay", "bank"))
    ]
    made = convert(access_rules(*rules), Choices(gateway="a/b"))
    (one,) = made.apirules
    assert one["metadata"] == {"name": "x-example-com", "namespace": "shop"}
    assert [rule["service"] for rule in one["spec"]["rules"]] == [
        {"name": "orders", "port": 80},
        {"name": "pay", "namespace": "bank", "port": 80},
    ]


def test_a_wildcards_rule_leads_to_its_own_service_under_every_host():
    def rule(namespace: str, host: str) -> tuple[str, dict[str, object]]:
        said = access_rule(f"<http|https>://{host}/{namespace}") | {"upstream": {"url": "http://web:80"}}
        metadata = {"name": "web", "namespace": namespace}
        return "f", {
            "apiVersion": "oathkeeper.ory.sh/v1alpha1",
            "kind": "Rule",
            "metadata": metadata,
            "spec": said,
        }

    world = reading.read([rule("infra", "<.*>.example.com"), rule("shop", "shop.example.com")])
    made = convert(world, Choices(gateway="a/b"))
    shop = next(one for one in made.apirules if one["spec"]["hosts"] == ["shop.example.com"])
    assert shop["metadata"]["namespace"] == "shop"
    assert {rule["path"]: rule["service"] for rule in shop["spec"]["rules"]} == {
        "/shop": {"name": "web", "port": 80},
        "/infra": {"name": "web", "namespace": "infra", "port": 80},
    }
