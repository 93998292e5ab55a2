"""A named change explains what it is about, and nothing beside it."""

import json
from base64 import urlsafe_b64encode
from dataclasses import replace

import pytest

from authz.istio.apirule import parse
from authz.migrate.conversion import rendering
from authz.migrate.conversion.convert import convert
from authz.migrate.old.rule import Handler, Old, Origin, Pattern
from authz.migrate.report import reported
from authz.migrate.report.rows import Finding, Verdict
from authz.migrate.verification import changes, verify
from authz.migrate.verification.changes import CHANGES
from authz.migrate.verification.differences import Context, Difference, Kind, context
from authz.migrate.verification.mesh import Outcome
from authz.migrate.verification.oathkeeper import Answer
from authz.migrate.verification.requests import _PREFLIGHT, BEARER, Sent, shown
from authz.migrate.verification.verify import Tally
from authz.migrate.verification.wallet import Credential
from tests import idp
from tests.idp import NOW
from tests.migrate.written import apirule, strategy

OLD = Old(
    Origin("f", "APIRule", "shop", "shop"),
    0,
    "spec.rules[0]",
    (Pattern("shop.example.com"),),
    Pattern("/a/.*"),
    ("GET",),
    (Handler("jwt"),),
)
SENT = Sent("GET", "shop.example.com", "/a/b", about=OLD)
PUT = replace(SENT, method="PUT")
PASSES, REFUSES = Outcome(200, "AUTHORIZED"), Outcome(403, "RBAC")


def with_token(**claims):
    token = idp.sign(idp.claims(**claims))
    return shown(SENT, Credential("t", token), BEARER)


def with_cookie():
    return shown(SENT, Credential("c", "a=b", "cookie"), BEARER)


BASIC = shown(SENT, Credential("b", "id:secret", "basic"), BEARER)
PREFLIGHT = replace(SENT, method="OPTIONS", lines=_PREFLIGHT)
ENCODED = replace(SENT, path="/a/b%3Ac")


def finding(code, verdict=Verdict.KEPT, **more):
    return Finding("APIRule shop/shop", 0, "", verdict, "", code=code, **more)


def name(sent, old, new, *findings, names_path=True, rules=(OLD,)):
    difference = verify.compare(sent, Answer(old) if isinstance(old, int) else old, new, NOW)
    if difference is None:
        return "no difference"
    found = changes.explain(difference, context(sent, rules, findings, names_path=names_path))
    return found.name if found else None


@pytest.mark.parametrize(
    ("sent", "old", "new", "expected"),
    [
        (SENT, 200, PASSES, "no difference"),
        (SENT, 401, Outcome(401, "TOKEN_MISSING"), "no difference"),
        (SENT, 401, PASSES, None),
        (SENT, 403, PASSES, None),
        (SENT, 404, PASSES, None),
        (SENT, 500, PASSES, None),
        (SENT, 200, REFUSES, None),
        (SENT, 200, Outcome(404, "ROUTE"), None),
        (SENT, 401, Outcome(404, "ROUTE"), None),
        (SENT, 404, Outcome(401, "TOKEN_MISSING"), None),
        (SENT, 401, REFUSES, "401 and 403"),
        (SENT, 500, REFUSES, "500 is gone"),
        (SENT, 200, Outcome(400, "PATH_AMBIGUOUS"), "ambiguous paths"),
        (replace(SENT, host="SHOP.example.com"), 404, PASSES, "other spellings of a host"),
        (replace(SENT, host="SHOP.example.com"), 401, PASSES, None),
        (with_token(), 401, PASSES, None),
        (with_token(exp=NOW - 30), 401, PASSES, "clocks may differ by 60 s"),
        (with_token(exp=NOW - 90), 401, PASSES, None),
        (with_token(exp=NOW - 30), 403, PASSES, None),
        (with_token(nbf=NOW + 30), 401, PASSES, "clocks may differ by 60 s"),
        (with_token(nbf=NOW + 90), 401, PASSES, None),
        (PREFLIGHT, 404, REFUSES, "preflights"),
        (PREFLIGHT, Answer(200, "the gateway", answered=True), REFUSES, None),
        (replace(SENT, path="/a/%41"), 200, Outcome(404, "ROUTE"), None),  # undecoded it matched, too
        (with_token(iat=NOW + 600), 401, PASSES, "issued in the future"),
        (with_token(exp=None), 200, Outcome(401, "CLAIMS_MALFORMED"), "tokens without an end"),
        (with_token(exp=None), 401, PASSES, None),
        (with_token(sub=None), 200, REFUSES, "tokens without a subject"),
        (with_token(), 200, REFUSES, None),
        (with_token(), 200, Outcome(401, "TOKEN_KIND"), "tokens of other kinds"),
        (replace(with_token(), twice=True), 200, Outcome(400, "CREDENTIAL_AMBIGUOUS"), "two credentials"),
        (replace(with_token(), twice=True), 401, PASSES, None),
    ],
)
def test_a_difference_has_the_name_that_is_its_own(sent, old, new, expected):
    assert name(sent, old, new) == expected


@pytest.mark.parametrize(
    ("sent", "old", "new", "row", "expected"),
    [
        (with_token(), 200, Outcome(401, "ISSUER_UNKNOWN"), finding("issuer"), "other issuers"),
        (with_token(), 200, Outcome(401, "SIGNATURE_INVALID"), finding("issuer"), None),
        (SENT, 401, PASSES, finding("issuer"), None),
        (PUT, 200, Outcome(404, "ROUTE"), finding("allow-methods"), "methods that are not listed"),
        (SENT, 200, Outcome(404, "ROUTE"), finding("allow-methods"), None),
        (with_token(), 401, PASSES, finding("anonymous"), "anonymous with credentials"),
        (SENT, 401, PASSES, finding("anonymous"), None),
        (SENT, 500, PASSES, finding("overlap"), None),  # one rule only matches
        (with_token(), 401, PASSES, finding("prefix", Verdict.WIDENED), "tokens without the prefix"),
        (with_token(), 401, PASSES, finding("prefix"), None),
        (SENT, 401, PASSES, finding("prefix", Verdict.WIDENED), None),
        (with_cookie(), 401, PASSES, finding("cookies", Verdict.WIDENED), "other cookies"),
        (with_cookie(), 401, PASSES, finding("cookies"), None),
        (with_cookie(), 403, PASSES, finding("cookies", Verdict.WIDENED), None),
        (SENT, 401, PASSES, finding("cookies", Verdict.WIDENED), None),
        (PUT, 404, REFUSES, finding("methods-passed-on"), "methods that a later rule has"),
        (PUT, 200, REFUSES, finding("methods-passed-on"), None),
        (PUT, 200, Outcome(401, "TOKEN_MISSING"), finding("allow-methods"), None),
        (ENCODED, 401, PASSES, finding("encoded", Verdict.WIDENED), "encoded characters"),
        (ENCODED, 401, PASSES, finding("encoded"), None),
        (SENT, 401, PASSES, finding("encoded", Verdict.WIDENED), None),
        (SENT, 401, PASSES, finding("oauth2-client-credentials"), "programs get tokens"),
        (SENT, 401, Outcome(200, "PUBLIC"), finding("oauth2-client-credentials"), None),
        (SENT, 200, REFUSES, finding("oauth2-client-credentials"), None),
        (BASIC, 200, REFUSES, finding("oauth2-client-credentials"), "programs get tokens"),
    ],
)  # fmt: skip
def test_what_the_report_must_have_said_it_has_said(sent, old, new, row, expected):
    assert name(sent, old, new, row) == expected
    assert name(sent, old, new, replace(row, object="APIRule shop/other")) != expected or expected is None


def signed_by(algorithm):
    token = idp.sign(idp.claims())
    head = urlsafe_b64encode(json.dumps({"alg": algorithm, "kid": "k"}).encode()).decode().rstrip("=")
    return shown(SENT, Credential("t", f"{head}.{token.partition('.')[2]}"), BEARER)


@pytest.mark.parametrize(
    ("config", "algorithm", "expected"),
    [
        ({}, "ES256", "other algorithms"),
        ({}, "RS256", None),
        ({}, "HS256", None),
        ({"allowed_algorithms": ["ES256"]}, "ES256", None),
        ({"allowed_algorithms": ["RS256"]}, "ES256", None),
    ],
)
def test_other_algorithms_are_new_where_none_was_named(config, algorithm, expected):
    rule = replace(OLD, authenticators=(Handler("jwt", config),))
    assert name(signed_by(algorithm), 401, PASSES, rules=(rule,)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (401, Outcome(404, "ROUTE"), "404 for nobody"),
        (403, Outcome(404, "ROUTE"), "404 for nobody"),
        (Answer(200, "the gateway", answered=True), Outcome(404, "ROUTE"), "404 for nobody"),
        (404, Outcome(401, "TOKEN_MISSING"), None),
        (200, Outcome(404, "ROUTE"), None),
        (401, Outcome(503, "UNAVAILABLE"), None),
    ],
)
def test_who_let_nobody_pass_has_no_rule_any_more(old, new, expected):
    rule = replace(OLD, authorizer=Handler("deny"))
    assert name(SENT, old, new, rules=(rule,)) == expected


@pytest.mark.parametrize("rules", [(OLD,), (replace(OLD, path=Pattern("/b")), OLD)])
def test_a_500_of_another_cause_is_not_two_rules(rules):
    assert name(SENT, 500, PASSES, finding("overlap"), rules=rules) is None


def test_two_rules_do_not_explain_what_was_refused_in_order():
    other = replace(OLD, index=1, path=Pattern("/.*"))
    for status in (401, 403, 404):
        assert name(SENT, status, PASSES, finding("overlap"), rules=(OLD, other)) is None


def test_more_paths_are_those_that_the_new_rule_has_and_no_old_one_had():
    gained, elsewhere = finding("paths", Verdict.WIDENED), replace(SENT, path="/b")
    assert name(elsewhere, 404, PASSES, gained, names_path=False) is None
    assert name(elsewhere, 401, PASSES, gained) is None


@pytest.mark.parametrize(("kind", "expected"), [("token", "bad tokens on public paths"), ("cookie", None)])
def test_on_public_paths_bad_tokens_alone_are_refused(kind, expected):
    public = replace(OLD, authenticators=(Handler("noop"),))
    sent = shown(SENT, Credential("x", "bad", kind), BEARER)
    assert name(sent, 200, Outcome(401, "TOKEN_MALFORMED"), rules=(public,)) == expected
    assert name(sent, 200, Outcome(401, "TOKEN_MALFORMED")) is None


def test_what_waits_for_a_decision_serves_nobody():
    """The question may be about another rule of the host: all of them wait."""
    question = replace(finding("shut", Verdict.DECISION), index=7)
    assert name(SENT, 200, Outcome(404, "ROUTE"), question) == "not converted yet"
    assert name(SENT, 401, PASSES, question) is None


def test_two_rules_explain_a_500_that_passes_now():
    other = replace(OLD, index=1, path=Pattern("/.*"))
    assert name(SENT, 500, PASSES, finding("overlap"), rules=(OLD, other)) == "two rules matched"
    assert name(SENT, 500, PASSES, rules=(OLD, other)) is None


def test_fewer_and_more_paths_are_those_that_the_report_shows():
    lost, gained = finding("paths", Verdict.NARROWED), finding("paths", Verdict.WIDENED)
    elsewhere = replace(SENT, path="/b")
    assert name(SENT, 200, Outcome(404, "ROUTE"), lost, names_path=False) == "fewer paths"
    assert name(SENT, 200, Outcome(404, "ROUTE"), lost, names_path=True) is None
    assert name(elsewhere, 404, PASSES, gained) == "more paths"
    assert name(elsewhere, 404, PASSES, lost) is None
    assert name(SENT, 404, PASSES, gained) is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"x-user": "al"}, {"x-user": "al"}, "no difference"),
        ({"x-user": "al"}, {}, None),
        ({"x-user": "al"}, {"x-user": "bo"}, None),
        ({"x-user": "<no value>"}, {}, "spelling of claims"),
        ({"x-user": "<no value>"}, {"x-user": "al"}, None),
        ({"x-scp": "[a b]"}, {"x-scp": "a,b"}, "spelling of claims"),
        ({"x-scp": "[a b]"}, {"x-scp": "a,c"}, None),
        ({"x-scp": "a b"}, {"x-scp": "a,b"}, None),
        ({"cookie": "a=1; b=2"}, {"cookie": "b=2; a=1"}, "no difference"),
        ({"date": "x", "content-length": "3", "x-forwarded-host": "h"}, {}, "no difference"),
    ],
)
def test_what_the_workload_is_told_is_compared(old, new, expected):
    assert name(SENT, Answer(200, headers=old), Outcome(200, "AUTHORIZED", headers=new)) == expected


def test_every_row_has_a_name_of_its_own_and_a_sentence():
    assert len({one.name for one in CHANGES}) == len(CHANGES)
    assert all(one.text.endswith(".") and one.kinds for one in CHANGES)


def test_a_run_that_asked_nothing_or_was_not_answered_proves_nothing():
    assert not Tally().is_good
    assert not Tally(asked=3, skipped=3).is_good
    assert not Tally(asked=3, unavailable={"an issuer": 1}).is_good
    assert Tally(asked=3).is_good
    bad = Tally(asked=3)
    bad.add(Difference(SENT, Answer(401), PASSES, Kind.WIDENED), Context())
    assert not bad.is_good


def test_a_report_is_read_back_as_it_was_written():
    rows = [{"object": "APIRule a/b", "field": "spec", "verdict": "narrowed", "message": "m", "code": "c"}]
    [row] = reported.read(json.dumps({"findings": rows, "apirules": {}}), [])
    assert (row.index, row.verdict, row.code) == (None, Verdict.NARROWED, "c")


@pytest.mark.parametrize(
    "rows", ["", "7", "[1]", '[{"verdict": "new"}]', '[{"verdict": "kept", "object": "a"}]']
)
def test_what_is_no_report_is_refused(rows):
    with pytest.raises(ValueError, match=r".+"):
        reported.read(f'{{"apirules": {{}}, "findings": {rows}}}', [])


def test_a_report_explains_only_what_was_written_with_it():
    made = convert(apirule(strategy("/a", "GET"))), convert(apirule(strategy("/b", "GET")))
    text, (rule, other) = rendering.as_json(made[0]), [parse(one.apirules[0]) for one in made]
    assert len(reported.read(text, [rule])) == len(made[0].findings)
    with pytest.raises(ValueError, match="about another apps/shop: convert again"):
        reported.read(text, [other])
