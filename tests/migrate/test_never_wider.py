"""What Oathkeeper let nobody do is not opened by a conversion to which nobody has said yes."""

from typing import Any

import pytest
import yaml

from authz import config as settings
from authz import writing
from authz.core import path
from authz.migrate.conversion.convert import Conversion, convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.old import reading
from authz.migrate.report.rows import Verdict
from tests.migrate.written import (
    ASK,
    KEYS,
    NOOP,
    OPAQUE,
    OPEN,
    SCOPE,
    TOKEN,
    access_rule,
    access_rules,
    apirule,
    strategy,
)


def of_rule(
    authenticators: str = NOOP, authorizer: str = "{handler: allow}", mutators: str = NOOP, port: str = ""
) -> Conversion:
    """One Rule of Oathkeeper's."""
    text = f"""
apiVersion: oathkeeper.ory.sh/v1alpha1
kind: Rule
metadata: {{name: shop, namespace: apps}}
spec:
  upstream: {{url: "http://shop.apps"}}
  match: {{url: "<http|https>://x.example.com{port}/<.*>", methods: [GET]}}
  authenticators: {authenticators}
  authorizer: {authorizer}
  mutators: {mutators}
"""
    return convert(reading.read([("f.yaml", yaml.safe_load(text))]), Choices(gateway="a/b"))


def of_apirule(*rules: dict[str, Any]) -> Conversion:
    return convert(apirule(*rules))


def asked(made: Conversion) -> list[str]:
    """Where somebody has to decide; nothing is written then."""
    found = [one.field for one in made.findings if one.verdict is Verdict.DECISION]
    assert bool(found) == (not made.apirules)
    return found


def test_a_rule_that_is_well_written_is_converted():
    assert asked(of_rule()) == []


@pytest.mark.parametrize(
    "authorizer",
    ["{hander: deny}", '{handler: ""}', "{config: {a: b}}", "deny", "[deny]", "{handler: alow}"],
)
def test_an_authorizer_without_a_handler_is_not_allow(authorizer):
    assert "spec.authorizer.handler" in asked(of_rule(authorizer=authorizer))


@pytest.mark.parametrize("handler", ["allow", "no_auth"])
def test_kymas_words_mean_nothing_to_oathkeeper(handler):
    assert asked(of_rule(f"[{{handler: {handler}}}]")) == ["spec.authenticators[0].handler"]


@pytest.mark.parametrize("handler", ["allow", "no_auth"])
@pytest.mark.parametrize("other", ["noop", f"jwt, config: {{{KEYS}}}"])
def test_kymas_words_stand_for_themselves(handler, other):
    made = of_apirule(strategy("/.*", "GET", f"[{{handler: {handler}}}, {{handler: {other}}}]"))
    assert asked(made) == ["spec.rules[0].accessStrategies[0].handler"]


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("required_scope", "{admin: true}"),
        ("required_scope", "admin"),
        ("required_scope", "7"),
        ("target_audience", "[[admin]]"),
        ("target_audience", "[1]"),
        ("allowed_algorithms", "{RS256: true}"),
        ("scope_strategy", "[exact]"),
        ("token_from", "X-Token"),
        ("token_from", "{haeder: X-Token}"),
        ("token_from", "{header: [X-Token]}"),
        ("jwks_ttl", "30"),
    ],
)
def test_a_setting_of_another_type_is_not_nothing(setting, value):
    made = of_rule(f"[{{handler: jwt, config: {{{KEYS}, {setting}: {value}}}}}]")
    assert asked(made) == [f"spec.authenticators[0].config.{setting}"]


@pytest.mark.parametrize("name", ["jwks_urls", "trusted_issuers"])
def test_issuers_of_another_type_are_not_nothing(name):
    config = KEYS.replace(f"{name}: [", f"{name}: [1, ")
    made = of_rule(f"[{{handler: jwt, config: {{{config}}}}}]")
    assert asked(made) == [f"spec.authenticators[0].config.{name}"]


@pytest.mark.parametrize("settings", ["a text", "[a, list]"])
def test_settings_that_are_no_object_are_not_nothing(settings):
    assert asked(of_rule(f"[{{handler: anonymous, config: {settings}}}]"))


def test_what_is_added_has_its_type_too():
    made = of_rule(mutators="[{handler: header, config: {headers: [X-User]}}]")
    assert asked(made) == ["spec.mutators[0].config.headers"]


@pytest.mark.parametrize(
    "config", ["authentications: []", "authentications: {issuer: i, jwksUri: https://k}"]
)
def test_the_meshs_own_settings_name_somebody(config):
    made = of_apirule(strategy("/.*", "GET", f"[{{handler: jwt, config: {{{config}, {KEYS}}}}}]"))
    assert asked(made) == ["spec.rules[0].accessStrategies[0].config.authentications"]


def of_urls(*rules: str, accepted: tuple[str, ...] = ()) -> Conversion:
    """Access rules of one host, each a path and its authenticators."""
    said = zip(rules[::2], rules[1::2], strict=True)
    world = access_rules(*(access_rule(path, access, "POST") for path, access in said))
    choices = Choices(gateway="a/b", accepted=frozenset(accepted))
    return convert(world, choices)


def codes(made: Conversion) -> set[str]:
    """Of what is asked."""
    return {one.code for one in made.findings if one.verdict is Verdict.DECISION}


@pytest.mark.parametrize(
    ("guarded", "later", "encoded"),
    [
        ("/v1/items:delete", "/v1/<(?!items:delete$).*>", "/v1/items%3Adelete"),
        ("/v1/a@b", "/v1/<(?!a@b$).*>", "/v1/a%40b"),
        ("/v1/a@b", "/v1/<(?!a[^b]b$).*>", "/v1/a%40b"),
    ],
)
def test_an_exception_is_one_however_it_is_sent(guarded, later, encoded):
    """Oathkeeper decoded it; the template that takes the rest would have it as it is sent."""
    rules = of_urls(guarded, SCOPE, later, NOOP).apirules[0]["spec"]["rules"]
    assert [one for one in rules if path.parse(one["path"]).matches(encoded)] == []


def test_an_exception_without_such_characters_is_taken_by_the_rules_before():
    made = of_urls("/admin<(/.*)?>", SCOPE, "/<(?!admin(/|$)).*>", NOOP)
    assert made.apirules[0]["spec"]["rules"][-1]["path"] == "/*"


@pytest.mark.parametrize(("who", "is_asked"), [(NOOP, True), (TOKEN, True), (SCOPE, False)])
@pytest.mark.parametrize("guarded", ["/v1/items:delete", "/v1/<(a@b|c)>/x", "/v1/<(a b|c)>"])
def test_an_encoded_character_leads_to_no_rule_that_asks_for_less(guarded, who, is_asked):
    rules = (guarded, SCOPE, "/v1/<.*>", who)
    assert ("encoded" in codes(of_urls(*rules))) == is_asked
    assert "encoded" not in codes(of_urls(*rules, accepted=("widened:encoded",)))


@pytest.mark.parametrize("guarded", ["/v1/<[^/]+>/x", "/v1/<[0-9a-f-]+>", "/w:x"])
def test_what_is_the_same_encoded_is_not_asked(guarded):
    assert "encoded" not in codes(of_urls(guarded, SCOPE, "/v1/<.*>", NOOP))


def said(made: Conversion) -> list[tuple[str, str, str]]:
    """Of each rule its path, its methods, and who decides."""
    return [
        (one["path"], " ".join(one["methods"]), *one.get("extAuth", {"authorizers": [""]})["authorizers"])
        for one in made.apirules[0]["spec"]["rules"]
    ]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (
            [strategy("/a", "GET", NOOP), strategy("/.*", "GET POST", OPEN)],
            [("/a", "GET", ""), ("/a", "POST", "nobody"), ("/*", "GET POST", "")],
        ),
        (
            [strategy("/a", "GET", NOOP), strategy("/a|/b", "POST", NOOP), strategy("/.*", "POST", OPEN)],
            [("/a", "GET", ""), ("/a", "POST", ""), ("/b", "POST", ""), ("/*", "POST", "")],
        ),
        (
            [strategy("/a", "GET", NOOP), strategy("/.*", "GET POST", NOOP)],
            [("/a", "GET", ""), ("/*", "GET POST", "")],
        ),
    ],
)
def test_methods_that_a_path_did_not_have_are_nobodys(rules, expected):
    """Kyma's route led all of them to Oathkeeper, which answered 404."""
    made = of_apirule(*rules)
    assert said(made) == expected
    names = [one["name"] for one in made.config.get("authorizers", ())]
    assert names == (["nobody"] if any("nobody" in one for one in expected) else [])


def test_methods_behind_a_guard_are_nobodys_too():
    made = of_apirule(strategy("/admin/.*", "GET", SCOPE), strategy("/.*", "GET POST DELETE", OPEN))
    assert said(made)[1] == ("/admin/{**}", "POST DELETE", "nobody")


def test_a_shut_path_does_not_leave_its_other_methods_to_a_public_rule():
    shut = strategy("/admin/.*", "GET", "[{handler: unauthorized}]")
    assert codes(of_apirule(shut, strategy("/.*", "POST", OPEN))) == {"shut"}


def test_what_ambiguous_paths_would_let_pass_is_shown():
    made = of_urls("/v1/<[^/;]+>", NOOP, "/w/<.*>", SCOPE)
    (row,) = [one for one in made.findings if one.code == "ambiguous-paths"]
    assert "with them /v1/;" in row.message
    assert row.witness == "POST /v1/;"


@pytest.mark.parametrize("other", ["/admin/<[^/]+>", "/<[^/]+>/<[^/]+>", "/b/<[^/]+>"])
@pytest.mark.parametrize(
    ("special", "general", "is_asked"),
    [
        (TOKEN, SCOPE, True),
        (SCOPE, TOKEN, False),
        (SCOPE, SCOPE, False),
        (NOOP, TOKEN, True),
        (TOKEN, NOOP, False),
        ("[{handler: anonymous}]", TOKEN, True),
        (TOKEN, OPAQUE, True),
    ],
)
def test_of_two_rules_that_match_the_one_that_asks_less_decides_only_if_somebody_says_so(
    other, special, general, is_asked
):
    """Oathkeeper answered 500."""
    made = of_urls("/<[^/]+>/x", special, other, general)
    assert made.open == () or "overlap" in codes(made)
    if other == "/<[^/]+>/<[^/]+>":  # the first is an exception of it
        assert ("overlap" in codes(made)) == is_asked


@pytest.mark.parametrize(
    ("port", "is_asked"), [(":8443", True), (":443", True), ("<(:443)?>", False), ("", False)]
)
def test_a_port_of_its_own_is_not_every_port(port, is_asked):
    assert bool(asked(of_rule(port=port))) == is_asked


@pytest.mark.parametrize(("scheme", "is_asked"), [("https", True), ("http", True), ("<https?>", False)])
def test_a_scheme_of_its_own_is_not_every_scheme(scheme, is_asked):
    url = f"{scheme}://x.example.com/a"
    assert ("scheme" in codes(of_urls(url, SCOPE))) == is_asked
    assert "scheme" not in codes(of_urls(url, SCOPE, accepted=("widened:scheme",)))


@pytest.mark.parametrize("url", ["ftp://x.example.com/a", "<ws|wss>://x.example.com/a"])
def test_a_url_that_nothing_matched_is_not_opened(url):
    assert codes(of_urls(url, NOOP, accepted=("widened:scheme",))) == {"scheme"}


ON = {"enabled": True}
SETTINGS: dict[str, Any] = {
    "authenticators": {"noop": ON, "anonymous": {"enabled": False}},
    "authorizers": {"allow": ON},
    "mutators": {"noop": ON, "cookie": {"enabled": "true"}},
    "errors": {"handlers": {"json": ON}},
}


def where(rule: dict[str, Any], **changes: Any) -> list[str]:
    """Where somebody has to decide, with Oathkeeper set so."""
    made = convert(access_rules(rule, settings=SETTINGS | changes), Choices(gateway="a/b"))
    return asked(made)


@pytest.mark.parametrize(
    ("rule", "changes", "fields"),
    [
        (access_rule("/a"), {}, []),
        (access_rule("/a", "[{handler: anonymous}]"), {}, ["authenticators[0].handler"]),
        (access_rule("/a"), {"authorizers": {"deny": ON}}, ["authorizer.handler"]),
        (access_rule("/a"), {"authorizers": {"allow": {"enabled": False}}}, ["authorizer.handler"]),
        (access_rule("/a"), {"mutators": {}}, ["mutators[0].handler"]),
        (access_rule("/a", mutators="[{handler: cookie}]"), {}, ["mutators[0].handler"]),
        (access_rule("/a") | {"errors": [{"handler": "redirect"}]}, {}, ["errors[0].handler"]),
        (access_rule("/a", authorizer="deny"), {"mutators": {}}, []),
    ],
)
def test_what_oathkeeper_left_off_is_not_opened(rule, changes, fields):
    """It answered 500 to everyone."""
    if "deny" in str(rule):
        assert convert(access_rules(rule, settings=SETTINGS | changes)).apirules == ()
    else:
        assert where(rule, **changes)[: len(fields)] == fields
        assert bool(where(rule, **changes)) == bool(fields)


@pytest.mark.parametrize("section", ["authorizers", "mutators"])
def test_what_kyma_wrote_for_an_apirule_is_to_be_on_too(section):
    settings = SETTINGS | {section: {}}
    documents = [("config.yaml", settings), ("f.yaml", dict(apirule(strategy("/a", "GET")).objects[0].body))]
    assert f"config.yaml: {section}" in asked(convert(reading.read(documents)))[0]


def test_a_rule_without_mutators_is_not_opened():
    """Unlike in a Rule, where Oathkeeper's controller writes `noop`."""
    assert asked(convert(access_rules(access_rule("/a", mutators="[]")), Choices(gateway="a/b"))) == [
        "mutators"
    ]
    assert asked(of_rule(mutators="")) == []
    assert asked(of_rule(mutators="[]")) == ["spec.mutators"]


def test_a_prefix_of_tokens_is_not_any_token():
    access = f"[{{handler: oauth2_introspection, config: {{{ASK}, prefix: shop_}}}}]"
    assert codes(of_urls("/a", access)) == {"prefix"}
    assert codes(of_urls("/a", access, accepted=("widened:prefix",))) == set()


@pytest.mark.parametrize("issuer", ["", "http://[", "https://idp evil"])
@pytest.mark.parametrize("scopes", ["", ", required_scope: [a], scope_strategy: wildcard"])
def test_an_issuer_that_is_none_takes_nobody_with_it(issuer, scopes):
    """Neither the rules beside it, nor the whole configuration, nor the conversion."""
    config = f"jwks_urls: ['https://idp/keys'], trusted_issuers: ['{issuer}']{scopes}"
    other = access_rule("<http|https>://y.example.com/a", OPAQUE)
    world = access_rules(access_rule("/a", f"[{{handler: jwt, config: {{{config}}}}}]"), other)
    made = convert(world, Choices(gateway="a/b"))
    assert [one["spec"]["hosts"] for one in made.apirules][-1] == ["y.example.com"]
    assert settings.parse(writing.write([made.config]))


def test_a_rule_of_oathkeeper_beside_an_apirule_of_its_host_is_not_lost():
    """Where both matched it answered 500: the rule may have been there to shut a path."""
    shut = access_rule("<http|https>://shop.example.com/admin/<.*>", authorizer="deny")
    body = apirule(strategy("/.*", "GET")).objects[0].body
    made = convert(reading.read([("f.yaml", dict(body)), ("rules.json", [shut])]), Choices(gateway="a/b"))
    assert made.apirules == ()
    assert codes(made) == {"host"}


def test_a_wildcard_waits_for_the_hosts_below_it():
    """Meanwhile it would have their requests, and `/admin` was not everyone's."""
    wild = access_rule("<http|https>://<.*>.example.com/<.*>")
    own = [access_rule("/admin", TOKEN, "POST"), access_rule("/b", "[{handler: alow}]")]
    elsewhere = access_rule("<http|https>://shop.example.org/")
    made = convert(access_rules(wild, *own, elsewhere), Choices(gateway="a/b"))
    assert [one["spec"]["hosts"] for one in made.apirules] == [["shop.example.org"]]
