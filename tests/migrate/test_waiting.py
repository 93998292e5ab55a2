"""A rule is converted when an APIRule of it is written: the count of the report is of those."""

import json
from typing import Any

import pytest

from authz.migrate.conversion import rendering
from authz.migrate.conversion.convert import Conversion, convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.report.rows import Verdict
from tests.migrate.written import NOOP, OPAQUE, TOKEN, access_rule, access_rules, apirule, strategy

UNKNOWN = "[{handler: nobody-has-it}]"
SHUT = "[{handler: unauthorized}]"


def converted(*rules: dict[str, Any]) -> Conversion:
    return convert(access_rules(*rules), Choices(gateway="a/b"))


def counts(made: Conversion) -> tuple[int, int]:
    """Converted, and waiting."""
    summary = json.loads(rendering.as_json(made))["summary"]
    return summary["converted"], summary["waiting"]


def questions(made: Conversion) -> list[tuple[str, str]]:
    return [(one.message, one.answer) for one in made.findings if one.verdict is Verdict.DECISION]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([access_rule("/a"), access_rule("/b", TOKEN)], (2, 0)),
        ([access_rule("/a"), access_rule("/b", UNKNOWN)], (0, 2)),
        ([access_rule("/a"), access_rule("<https?>://y.example.com/b", UNKNOWN)], (1, 1)),
        ([access_rule("/a"), access_rule("/b", SHUT)], (2, 0)),
        ([access_rule("/a", SHUT)], (1, 0)),
        ([access_rule("/a"), access_rule("/a")], (2, 0)),
        ([access_rule("/a"), access_rule("<http|https>://<x|y>.example.com/b", UNKNOWN)], (0, 2)),
    ],
)
def test_a_rule_waits_for_whatever_its_apirule_waits_for(rules, expected):
    assert counts(converted(*rules)) == expected


def test_an_apirule_waits_as_a_whole():
    made = convert(apirule(strategy("/a", "GET"), strategy("/b", "GET", UNKNOWN)))
    assert counts(made) == (0, 2)
    assert made.apirules == ()


def test_what_waits_for_another_says_for_whom():
    made = converted(access_rule("/a"), access_rule("/b", UNKNOWN))
    assert made.open == ("access rule GET /a", "access rule GET /b")
    (row,) = [one for one in made.findings if one.code == "waits"]
    assert (row.object, row.verdict) == ("access rule GET /a", Verdict.KEPT)
    assert "access rule GET /b" in row.message
    assert "### access rule GET /a: waits for a decision" in rendering.markdown(made)


def test_rules_of_one_name_are_counted_apart():
    rules = [access_rule(f"/{at}") | {"id": "same"} for at in range(3)]
    made = converted(*rules)
    assert counts(made) == (3, 0)
    assert [pair.indices for pair in made.pairs] == [(0,), (1,), (2,)]


def test_rules_without_a_name_go_by_their_requests():
    made = converted(access_rule("/a") | {"id": None}, access_rule("/b") | {"id": None})
    assert [pair.old.origin.name for pair in made.pairs] == [
        "without id, GET <http|https>://x.example.com/a",
        "without id, GET <http|https>://x.example.com/b",
    ]


@pytest.mark.parametrize("count", [201, 1_001])
def test_a_host_with_more_rules_than_an_apirule_has_is_to_be_divided(count):
    made = converted(*(access_rule(f"/a/{at}", NOOP) for at in range(count)))
    assert counts(made) == (0, count)
    ((question, answer),) = questions(made)
    assert f"Its old rules become {count:,} rules, and an APIRule has 200 at most." in question
    assert "as one pattern" in answer


def test_rules_whose_identity_tokens_name_two_issuers_wait():
    mutators = "[{{handler: id_token, config: {{issuer_url: 'https://{}', jwks_url: 'file:///k'}}}}]"
    rules = [access_rule(f"/{name}", TOKEN, mutators=mutators.format(name)) for name in ("a", "b")]
    choices = Choices(gateway="a/b", accepted=frozenset({"changed:id-token"}))
    made = convert(access_rules(*rules, access_rule("<http|https>://z.example.com/", OPAQUE)), choices)
    assert counts(made) == (1, 2)
    assert len(set(questions(made))) == 1
