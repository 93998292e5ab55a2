"""The demonstration: its table can tell good answers from bad, and all of it holds on real Envoys."""

import asyncio

import pytest

from authz.core.reason import Reason
from authz.local import demo
from authz.local.cases import STAGES, Case, Stage
from authz.local.forged import TOKENS
from authz.local.raw import Answer

CASES = [(stage, case) for stage in STAGES for case in stage.cases]
REFUSED = Answer(401, {"www-authenticate": 'Bearer realm="authz"'}, '{"reason": "TOKEN_MISSING"}')
PASSED = Answer(200, {}, '{"headers": {"x-auth-subject": "alice"}}')


@pytest.mark.parametrize(
    ("case", "answer", "faults"),
    [
        (Case("c", "h/", 401, "TOKEN_MISSING", challenge="Bearer"), REFUSED, []),
        (Case("c", "h/", 403, "TOKEN_MISSING"), REFUSED, ["status 401"]),
        (Case("c", "h/", 401, "TOKEN_EXPIRED"), REFUSED, ["TOKEN_MISSING"]),
        (
            Case("c", "h/", 401, "TOKEN_MISSING", challenge="invalid_token"),
            REFUSED,
            ['challenge Bearer realm="authz"'],
        ),
        (Case("c", "h/", 401, "TOKEN_MISSING"), PASSED, ["status 200", "passes"]),
        (Case("c", "h/", 200, sees={"x-auth-subject": "alice", "x_auth_subject": ""}), PASSED, []),
        (Case("c", "h/", 200, sees={"x-auth-subject": ""}), PASSED, ["x-auth-subject is alice"]),
        (Case("c", "h/", 404, "no route"), Answer(404, {}, ""), []),
        (Case("c", "h/", 503, "the authorizer did not answer"), Answer(503, {}, ""), []),
        (Case("c", "h/", 503, "the authorizer did not answer"), Answer(503, {}, "reset"), ["reset"]),
        (Case("c", "h/", 400, "PATH_AMBIGUOUS"), Answer(400, {}, Reason.PATH_AMBIGUOUS.text), []),
        (Case("c", "h/", 200), Answer(500, {}, ""), ["status 500", "no reason"]),
        (Case("c", "h/", 403, "RBAC: access denied"), Answer(403, {}, "RBAC: access denied"), []),
    ],
)
def test_an_answer_is_held_against_its_case(case, answer, faults):
    assert case.faults(answer) == faults


def test_a_row_shows_what_was_expected_and_what_came():
    outcome = demo.Outcome(STAGES[0], Case("no token", "h/", 403, "TOKEN_MISSING"), REFUSED)
    assert demo.row(outcome).split() == [*("BAD", "no", "token", "GET", "h/", "403", "401", "status", "401")]


def test_rows_stand_under_their_headings():
    for stage, case in CASES:
        row = demo.row(demo.Outcome(stage, case, REFUSED))
        assert row.index(f"{case.method} {case.target}") == demo.HEADINGS.index("request")
        assert row[demo.HEADINGS.index("got") :].startswith("401  ")


def test_every_token_is_used_and_known():
    assert {case.bearer for _, case in CASES} - {""} == set(TOKENS)


def test_no_two_cases_of_a_stage_share_a_name():
    names = [(stage.title, case.name) for stage, case in CASES]
    assert len(names) == len(set(names))


@pytest.fixture(scope="module")
def outcomes():
    async def collect():
        return {(each.stage.title, each.case.name): each async for each in demo.outcomes()}

    return asyncio.run(collect())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "case"), CASES, ids=lambda one: one.title if isinstance(one, Stage) else one.name
)
def test_it_holds_on_real_envoys(outcomes, stage, case):
    assert outcomes[stage.title, case.name].faults == []
