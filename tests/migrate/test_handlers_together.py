"""Several handlers of one rule: Oathkeeper asks the first that feels responsible, and nobody behind it."""

from typing import Any

import pytest

from authz.migrate.conversion.convert import Conversion, convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.old import reading
from authz.migrate.report.rows import Verdict
from tests.migrate.written import ASK, KEYS, access_rule, access_rules, apirule

PREFIXED = f"{{handler: oauth2_introspection, config: {{{ASK}, prefix: ory_at_}}}}"
INTROSPECTED = f"{{handler: oauth2_introspection, config: {{{ASK}}}}}"
SIGNED = f"{{handler: jwt, config: {{{KEYS}}}}}"
IN_A_HEADER = f"{{handler: jwt, config: {{{KEYS}, token_from: {{header: X-Token}}}}}}"
SESSION = "{handler: cookie_session, config: {check_session_url: 'http://proxy/oauth2/auth'}}"
OF_ONE_COOKIE = SESSION.replace("}}", ", only: [s]}}")
BEARER = "{handler: bearer_token, config: {check_session_url: 'http://kratos/whoami'}}"
SETTLED = frozenset({"widened:prefix", "widened:cookies"})


def of(*handlers: str, accepted: frozenset[str] = SETTLED) -> Conversion:
    issuers = {"http://kratos/whoami": "https://idp"}
    world = access_rules(access_rule("/<.*>", f"[{', '.join(handlers)}]"))
    return convert(world, Choices(gateway="a/b", issuers=issuers, accepted=accepted))


def kinds(made: Conversion) -> list[str]:
    """What the new rule accepts, in order; "anonymous" for who shows nothing."""
    (authorizer,) = made.config["authorizers"]
    accepted = [kind for one in authorizer.get("accept", ()) for kind in one]
    return [*accepted, *(["anonymous"] if "anonymous" in authorizer else [])]


def rows(made: Conversion, code: str) -> list[Verdict]:
    return [one.verdict for one in made.findings if one.code == code]


@pytest.mark.parametrize(
    ("handlers", "accepted", "hidden"),
    [
        ([INTROSPECTED, SIGNED], ["introspection"], 1),
        ([INTROSPECTED, IN_A_HEADER], ["introspection", "jwt"], 0),
        ([INTROSPECTED, OF_ONE_COOKIE], ["introspection", "session"], 0),
        ([PREFIXED, SIGNED], ["introspection", "jwt"], 0),
        ([SIGNED, INTROSPECTED], ["jwt", "introspection"], 0),
        ([SIGNED, SIGNED, INTROSPECTED], ["jwt", "introspection"], 1),
        ([BEARER, SIGNED], ["introspection"], 1),
        ([BEARER.replace("}}", ", prefix: ory_st_}}"), SIGNED], ["introspection", "jwt"], 0),
        ([IN_A_HEADER, "{handler: unauthorized}", INTROSPECTED], ["jwt"], 1),
        (["{handler: anonymous}", INTROSPECTED], ["introspection", "anonymous"], 0),
    ],
)
def test_a_handler_is_left_out_only_where_another_takes_all_of_its_tokens(handlers, accepted, hidden):
    made = of(*handlers)
    assert made.open == ()
    assert kinds(made) == accepted
    assert len(rows(made, "never-reached")) == hidden


def test_two_prefixes_of_one_place_are_not_made_one():
    other = PREFIXED.replace("ory_at_", "other_").replace("/idp/ask", "/other/ask")
    made = of(PREFIXED, other.replace("https://idp]", "https://other]"))
    assert made.open
    assert "could not be loaded" in " ".join(one.message for one in made.findings)


@pytest.mark.parametrize("handler", [PREFIXED, BEARER.replace("}}", ", prefix: ory_st_}}")])
def test_tokens_without_the_prefix_are_asked_about_only_if_somebody_accepts_it(handler):
    assert rows(of(handler, accepted=frozenset()), "prefix") == [Verdict.DECISION]
    assert rows(of(handler), "prefix") == [Verdict.WIDENED]


@pytest.mark.parametrize("last", ["{handler: noop}", "{handler: anonymous}, {handler: noop}"])
def test_whom_anonymous_leaves_alone_noop_takes(last):
    made = of("{handler: anonymous}", last)
    assert made.apirules[0]["spec"]["rules"][0]["noAuth"] is True


def test_credentials_before_noop_are_looked_at():
    made = of(SIGNED, "{handler: noop}")
    assert kinds(made) == ["jwt", "anonymous"]
    assert rows(made, "optional") == [Verdict.NARROWED]
    assert rows(of(SIGNED, "{handler: anonymous}"), "optional") == []


@pytest.mark.parametrize(
    ("handlers", "is_told"),
    [
        (["{handler: anonymous}", IN_A_HEADER], True),
        (["{handler: anonymous}", OF_ONE_COOKIE], True),
        (["{handler: anonymous}", SIGNED], False),
        ([IN_A_HEADER, "{handler: anonymous}"], False),
    ],
)
def test_what_anonymous_never_looked_at_is_looked_at_now(handlers, is_told):
    made = of(*handlers)
    assert rows(made, "optional") == [Verdict.NARROWED] * is_told
    assert kinds(made)[-1] == "anonymous"


@pytest.mark.parametrize("other", [SIGNED, "{handler: anonymous}"])
def test_any_cookie_was_a_session_where_none_is_named(other):
    assert rows(of(SESSION, other, accepted=frozenset()), "cookies") == [Verdict.DECISION]
    assert rows(of(SESSION, other), "cookies") == [Verdict.WIDENED]
    assert rows(of(OF_ONE_COOKIE, other, accepted=frozenset()), "cookies") == []
    assert rows(of(other, SESSION, accepted=frozenset()), "cookies") == []


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("[RS256]", ["RS256"]),
        ("[RS256, ES256]", ["RS256", "ES256"]),
        ("[RS256, HS256]", ["RS256"]),
        ("[]", None),
    ],
)
def test_algorithms_that_are_named_are_the_only_ones(named, said):
    made = of(f"{{handler: jwt, config: {{{KEYS}, allowed_algorithms: {named}}}}}")
    found = made.config.get("authorizers")
    assert (found and found[0]["accept"][0]["jwt"]["algorithms"]) == said


@pytest.mark.parametrize(
    ("handlers", "accepted", "is_asked"),
    [
        (SIGNED, (), False),
        ("{handler: anonymous}", (), False),
        (f"{SIGNED}, {{handler: anonymous}}", (), False),
        ("{handler: noop}", (), True),
        (f"{SIGNED}, {{handler: noop}}", (), True),
        ("{handler: anonymous}", ("widened:anonymous",), True),
    ],
)
def test_a_token_says_who_calls_of_whom_there_is_a_name(handlers, accepted, is_asked):
    world = access_rules(access_rule("/<.*>", f"[{handlers}]", mutators="[{handler: id_token}]"))
    made = convert(world, Choices(gateway="a/b", accepted=frozenset({"changed:id-token", *accepted})))
    assert bool(made.open) == is_asked
    asked = [one.answer for one in made.findings if one.verdict is Verdict.DECISION]
    assert asked[:1] == ["use anonymous in place of noop, or take id_token out of the rule"] * is_asked


def test_an_apirule_without_rules_is_asked_about():
    made = convert(apirule())
    assert made.open == ("APIRule apps/shop",)
    (question,) = [one for one in made.findings if one.verdict is Verdict.DECISION]
    assert question.answer == "delete it, or add rules"


def body(version: str, kind: str = "APIRule") -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "a", "namespace": "b"}, "spec": {}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (body("gateway.kyma-project.io/v1beta3"), "gateway.kyma-project.io/v1beta3: one of gateway.kyma"),
        (body("gateway.example.com/v1beta1"), "gateway.example.com/v1beta1: one of"),
        (body(""), "apiVersion is missing"),
        (body("oathkeeper.ory.sh", "Ruel"), "Ruel: nobody here knows"),
    ],
)
def test_an_object_of_a_version_that_nobody_has_is_not_passed_over(document, message):
    world = reading.read([("f.yaml", document)])
    assert world.objects == ()
    assert message in world.problems[0]


@pytest.mark.parametrize("version", ["v2", "v2alpha1"])
def test_a_new_apirule_has_nothing_to_convert(version):
    assert reading.read([("f.yaml", body(f"gateway.kyma-project.io/{version}"))]) == reading.read([])


def test_a_rule_without_the_version_of_its_group_is_one():
    assert len(reading.read([("f.yaml", body("oathkeeper.ory.sh", "Rule"))]).objects) == 1
