"""Old rules as they are found in people's repositories, each odd in its own way: nothing is guessed."""

import json
from dataclasses import replace

import pytest

from authz.core.policy import Host, Policy
from authz.migrate.conversion.convert import Conversion, convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.old import files, reading
from authz.migrate.old.rule import Pattern, World
from authz.migrate.report.rows import Finding, Verdict
from authz.migrate.verification.differences import context
from authz.migrate.verification.requests import Sent
from authz.migrate.verification.subjects import completed, subjects
from tests.migrate.written import (
    BY_MESH,
    NOOP,
    OPEN,
    SCOPE,
    TOKEN,
    UNCHECKED,
    access_rule,
    access_rules,
    apirule,
    strategy,
)


def converted(world: World, **hosts: str) -> Conversion:
    named = {pattern: tuple(names.split()) for pattern, names in hosts.items()}
    return convert(world, Choices(gateway="a/b", hosts=named))


def asked(made: Conversion) -> list[tuple[str, str, str]]:
    """Of each question the document, the place in it and the code."""
    return [(one.object, one.field, one.code) for one in made.findings if one.verdict is Verdict.DECISION]


def hosts(made: Conversion) -> dict[str, list[str]]:
    """Of each host that is written, its paths."""
    return {one["spec"]["hosts"][0]: [rule["path"] for rule in one["spec"]["rules"]] for one in made.apirules}


ANYWHERE, SHOP = "<http|https>://<.*>/admin/<.*>", "<http|https>://shop.example.com/pub/<.*>"


def test_a_host_waits_for_every_pattern_that_it_is_of():
    """Both rules matched /admin of shop.example.com: written alone, the second would take it for itself."""
    world = access_rules(access_rule(ANYWHERE, TOKEN), access_rule(SHOP, NOOP))
    assert hosts(converted(world)) == {}


def test_rules_of_a_pattern_hold_for_every_host_of_it():
    world = access_rules(access_rule(ANYWHERE, TOKEN), access_rule(SHOP, TOKEN))
    made = converted(world, **{"<.*>": "any.example.com"})
    assert hosts(made) == {
        "any.example.com": ["/admin/{**}"],
        "shop.example.com": ["/pub/{**}", "/admin/{**}"],
    }


def test_a_host_of_no_pattern_stands_by_itself():
    one, other = "<http|https>://<[a-z]+>.example.com/a", "<http|https>://shop.example.org/b"
    assert hosts(converted(access_rules(access_rule(one), access_rule(other)))) == {
        "shop.example.org": ["/b"]
    }


def test_a_host_that_is_named_for_a_pattern_is_of_it():
    world = access_rules(access_rule("<http|https>://<[a-z]+>.example.com/a"))
    made = converted(world, **{"<[a-z]+>.example.com": "shop.example.com shop.example.org"})
    (question,) = [one for one in made.findings if one.verdict is Verdict.DECISION]
    assert "shop.example.org is none of them" in question.message
    assert hosts(made) == {}


@pytest.mark.parametrize(
    "url",
    [
        r"<(https://pets\.example\.com/v3|http://old\.example\.com/v3)>/pet",
        r"<(http|https):\/\/([\w-]+(\.[\w-]+)*)(:\d+)?\/api(/.*)?>",
        r"<(?!https?://api\.example\.com/v1(/.*)?).*>",
        "<.*>app<(/.*)?>",
        "<http://|https://>x.example.com/a",
    ],
)
def test_a_pattern_for_the_whole_url_is_one_question(url):
    rule = access_rule("/a") | {"match": {"url": url, "methods": ["GET"]}}
    made = converted(access_rules(rule))
    assert asked(made) == [("access rule GET /a", "match.url", "scheme")]
    assert "One pattern is for the scheme, the host and the path" in "".join(
        one.message for one in made.findings
    )


def test_every_url_is_every_path_of_a_host():
    rule = access_rule("/a") | {"match": {"url": "<.*>", "methods": ["GET"]}}
    made = converted(access_rules(rule), **{"<.*>": "any.example.com"})
    assert hosts(made) == {"any.example.com": ["/*"]}


@pytest.mark.parametrize("path", ["", "/cb?code=<.*>", "/api/other/?$", "/a/([^/]+)/<.*>"])
def test_a_path_that_no_request_has_is_asked_about(path):
    made = converted(access_rules(access_rule(f"<http|https>://x.example.com{path}")))
    assert [place for _, place, _ in asked(made)] == ["match.url"]


def test_a_path_without_a_slash_is_asked_about():
    assert asked(convert(apirule(strategy("path", "GET")))) == [
        ("APIRule apps/shop", "spec.rules[0].path", "paths")
    ]


@pytest.mark.parametrize("access", [OPEN, UNCHECKED, NOOP, TOKEN])
def test_a_slash_and_a_star_meant_two_things(access):
    """To the one Kyma a beginning that all paths have, to the other a regular expression of slashes."""
    made = convert(apirule(strategy("/*", "GET", access), strategy("/a", "GET", OPEN)))
    assert ("APIRule apps/shop", "spec.rules[0].path", "paths") in asked(made)
    assert not made.apirules


def test_a_slash_and_a_star_are_all_paths_where_the_mesh_checks():
    """Only the Kyma that takes it so has such a handler; what stands behind it no request reached."""
    made = convert(apirule(strategy("/*", "GET", BY_MESH), strategy("/.*", "GET", OPEN)))
    assert hosts(made) == {"shop.example.com": ["/*"]}
    assert "jwt" in made.apirules[0]["spec"]["rules"][0]


@pytest.mark.parametrize("access", [UNCHECKED, BY_MESH])
def test_envoy_compared_methods_to_the_letter(access):
    made = convert(apirule(strategy("/a", "get Post", access), strategy("/b", "get GET", access)))
    assert asked(made) == [("APIRule apps/shop", "spec.rules[0].methods", "")]


def test_oathkeeper_compared_methods_in_any_case():
    made = converted(access_rules(access_rule("/a", methods="get")))
    assert made.apirules[0]["spec"]["rules"][0]["methods"] == ["GET"]


@pytest.mark.parametrize(
    ("access", "path", "expected"),
    [(NOOP, "/.*", ["overlap"]), (SCOPE, "/.*", []), (NOOP, "/api/.*", ["overlap"]), (OPEN, "/.*", [])],
)
def test_a_rule_for_any_host_is_beside_apirules_too(access, path, expected):
    """Of `/admin/x` both were, and of `/api/admin/x`, for `<.*>` takes slashes; by `allow` none came."""
    world = apirule(strategy(path, "GET", access))
    found = [("f.yaml", one.body) for one in world.objects] + [("r.json", [access_rule(ANYWHERE, TOKEN)])]
    made = convert(reading.read(found), Choices(gateway="a/b", hosts={"<.*>": ("any.example.com",)}))
    assert [code for *_, code in asked(made)] == expected


def test_a_row_stands_where_its_rule_does_and_names_the_other():
    one = access_rule("/<[^/]+>/x", TOKEN) | {"id": "one"}
    other = access_rule("/admin/<[^/]+>", SCOPE) | {"id": "other"}
    made = converted(access_rules(access_rule("/first"), one, other))
    assert asked(made) == [("access rule one", "match.url", "overlap")]
    assert any("access rule other (match.url) matches too" in row.message for row in made.findings)


@pytest.mark.parametrize("key", ["rules.json", "access-rules.yml", "config.yaml", "oathkeeper.yaml"])
def test_a_config_map_names_its_files_as_it_likes(key):
    config = {name: {"noop": {"enabled": True}} for name in ("authenticators", "mutators")}
    config |= {"authorizers": {"allow": {"enabled": True}}}
    inside = config if key.partition(".")[0] in ("config", "oathkeeper") else [access_rule("/a")]
    body = {"kind": "ConfigMap", "apiVersion": "v1", "data": {key: json.dumps(inside)}}
    world = reading.read([("f.yaml", body)])
    assert bool(world.rules) != bool(world.settings)
    assert world.problems == ()


def test_a_config_map_of_something_else_is_left_alone():
    body = {
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "data": {"rules.json": "[1]", "a.conf": "authenticators"},
    }
    world = reading.read([("f.yaml", body)])
    assert (world.rules, world.problems, world.others) == ((), (), (body,))


def test_an_alias_is_refused_with_what_writes_it_out(tmp_path):
    (tmp_path / "r.yaml").write_text("- id: &a one\n- id: *a\n")
    (problem,) = files.read([str(tmp_path)])[1]
    assert "line 2, column 7: aliases are not supported; yq 'explode(.)'" in problem


def test_a_part_of_the_request_is_no_claim():
    template = "{{ printIndex .MatchContext.RegexpCaptureGroups 1 }}"
    mutators = f"[{{handler: header, config: {{headers: {{X-Id: '{template}'}}}}}}]"
    made = converted(access_rules(access_rule("/a", TOKEN, mutators=mutators)))
    (question,) = [one for one in made.findings if one.verdict is Verdict.DECISION]
    assert question.message.startswith("Does the workload need X-Id? It was a part of the request")


def test_what_was_not_looked_at_is_no_unknown_field():
    rule = access_rule("/a", TOKEN, authorizer="remote_json")
    made = converted(access_rules(rule, settings={"authenticators": {"jwt": {"enabled": True}}}))
    assert [one.field for one in made.findings if one.code == "unknown"] == []


@pytest.mark.parametrize(
    ("host", "expected"), [("shop.example.com", "shop.example.com"), ("*.example.com", "x.example.com")]
)
def test_rules_of_a_pattern_are_tried_at_its_hosts(host, expected):
    world = access_rules(access_rule("<http|https>://<.*>.example.com/a"))
    policy = Policy(hosts={name: Host(name, ()) for name in (host, "shop.example.org")})
    (subject,) = subjects(completed(world.rules, policy), None, policy, 1)
    assert subject.hosts == (expected,)


HEALTH, API = "<http|https>://<.*>/health", "<http|https>://shop.example.com/api/<.*>"


def at_shop(*rules: tuple[str, str], pattern: str = "<.*>", accepted: str = "") -> Conversion:
    world = access_rules(*(access_rule(url, access) for url, access in rules))
    named = {pattern: ("shop.example.com",)}
    return convert(world, Choices(gateway="a/b", hosts=named, accepted=frozenset({accepted})))


@pytest.mark.parametrize(
    ("url", "pattern", "witness"),
    [
        (HEALTH, "<.*>", "GET /x/health"),
        ("<http|https>://<.+>.example.com/a", "<.+>.example.com", "GET /x.shop.example.com/a"),
    ],
)
def test_a_host_that_takes_slashes_had_more_paths(url, pattern, witness):
    made = at_shop((url, NOOP), pattern=pattern)
    assert [one.witness for one in made.findings if one.code == "paths"] == [witness]


@pytest.mark.parametrize("url", ["<http|https>://<[^/]+>/health", "<http|https>://<.*>/<.*>"])
def test_a_host_that_takes_none_or_every_path_had_the_same(url):
    made = at_shop((url, NOOP), pattern=url.partition("://")[2].partition("/health")[0].removesuffix("/<.*>"))
    assert made.apirules
    assert [one for one in made.findings if one.code == "paths"] == []


def test_where_the_host_matched_a_path_of_another_rule_nobody_passed():
    """`/pub/admin/x` was of both, and 500."""
    assert [code for *_, code in asked(at_shop((ANYWHERE, TOKEN), (SHOP, NOOP)))] == ["overlap"]
    assert at_shop((ANYWHERE, TOKEN), (SHOP, NOOP), accepted="widened:overlap").apirules


def test_a_rule_that_asks_for_more_may_decide_there():
    made = at_shop((HEALTH, NOOP), (API, TOKEN))
    assert asked(made) == []
    assert [one.object for one in made.findings if one.code == "spanning"] == [f"access rule GET {API}"]


@pytest.mark.parametrize(("access", "expected"), [(NOOP, ["capitals"]), (OPEN, [])])
def test_oathkeeper_compared_hosts_to_the_letter(access, expected):
    """Browsers send them in small letters, and got 404; a route to the service takes them in any."""
    world = apirule(strategy("/.*", "GET", access))
    (body,) = [
        {**one.body, "spec": {**one.body["spec"], "host": "Shop.Example.com"}} for one in world.objects
    ]
    made = convert(reading.read([("f.yaml", body)]))
    assert [code for *_, code in asked(made)] == expected


def test_an_example_of_a_host_has_the_rows_of_all_of_its_rules():
    """No old path has it: which rule it was made for says nothing about whose new path it is."""
    first, second = access_rules(access_rule("/a"), access_rule("/b<.*>")).rules
    rows = [Finding(str(second.origin), 0, "match.url", Verdict.WIDENED, "", code="paths")]
    found = context(Sent("GET", "x.example.com", "/c", about=first), (first, second), rows, names_path=True)
    assert found.accepts("paths")


def test_a_rule_without_a_host_is_not_tried():
    (rule,) = apirule(strategy("/a", "GET")).rules
    assert list(subjects([replace(rule, hosts=(Pattern(""),))], None, Policy(), 1)) == []


def test_hosts_that_nobody_named_are_told():
    made = at_shop((HEALTH, NOOP))
    assert [(one.old, one.new) for one in made.findings if one.code == "hosts-named"] == [
        ("<.*>", "shop.example.com")
    ]


@pytest.mark.parametrize(
    "value", ["{jwksUri: true, issuer: a}", "{issuer: [a], jwksUri: b}", "{issuer: a}", "a"]
)
def test_issuers_of_the_mesh_are_texts(value):
    made = convert(
        apirule(strategy("/a", "GET", f"[{{handler: jwt, config: {{authentications: [{value}]}}}}]"))
    )
    assert [code for *_, code in asked(made)] == ["type"]


@pytest.mark.parametrize("labels", [["a"], "a", 7])
def test_labels_of_another_type_are_none(labels):
    (body,) = [one.body for one in apirule(strategy("/a", "GET", OPEN)).objects]
    made = convert(reading.read([("f.yaml", {**body, "metadata": {"name": "a", "labels": labels}})]))
    assert "labels" not in made.apirules[0]["metadata"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("scopeArray", None), ("redirectUris", True), ("grantTypes", 7), ("grantTypes", {"a": 1}), ("scope", 7)],
)
def test_a_client_whose_settings_are_of_another_type_is_asked_about(field, value):
    body = {"apiVersion": "hydra.ory.sh/v1alpha1", "kind": "OAuth2Client", "metadata": {"name": "a"}}
    spec = {"grantTypes": ["authorization_code"], "redirectUris": ["https://a"]} | {field: value}
    made = convert(reading.read([("f.yaml", {**body, "spec": spec})]))
    assert [(place, code) for _, place, code in asked(made)] == [(f"spec.{field}", "type")]
