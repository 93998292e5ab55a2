"""What an APIRule's author is told."""

import json

import pytest

from authz.controller import status
from authz.controller.status import Disputed, Done, Failed, Obstructed, Unreadable, Waiting
from authz.istio.problem import Problem

NOW, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
PATH, SERVICE = Problem("spec.rules[0].path", "is bad"), Problem("spec.rules[1].service", "Service not found")


def rendered(verdict, generation=1, before=b"", now=NOW):
    return status.render(verdict, generation, before, now)


@pytest.mark.parametrize(
    ("verdict", "state", "description", "conditions"),
    [
        (Done(), "Ready", "Reconciled successfully", "True True True"),
        (Waiting("for b"), "Processing", "for b", "True True False"),
        (Failed("403: no"), "Error", "403: no", "True True False"),
        (Disputed("b again"), "Error", "b again", "True True False"),
        (
            Unreadable((PATH,)),
            "Error",
            "Validation errors: Attribute '.spec.rules[0].path': is bad",
            "False Unknown False",
        ),
        (
            Obstructed((SERVICE,)),
            "Error",
            "Validation errors: Attribute '.spec.rules[1].service': Service not found",
            "True False False",
        ),
        (
            Obstructed((Problem("spec.hosts[0]", "Host is taken"),)),
            "Error",
            "Validation errors: Attribute '.spec.hosts[0]': Host is taken",
            "False True False",
        ),
    ],
)
def test_each_outcome_has_its_words(verdict, state, description, conditions):
    found = rendered(verdict)
    assert (found["state"], found["description"]) == (state, description)
    assert " ".join(one["status"] for one in found["conditions"]) == conditions
    assert [one["type"] for one in found["conditions"]] == ["Accepted", "ResolvedRefs", "Programmed"]


def test_of_many_problems_three_are_described_and_all_are_in_the_condition():
    problems = tuple(Problem(f"spec.rules[{number}].path", "is bad") for number in range(5))
    found = rendered(Unreadable(problems))
    assert found["description"].endswith("Attribute '.spec.rules[2].path': is bad\n2 more error(s)...")
    assert found["conditions"][0]["message"].count("is bad") == 5


@pytest.mark.parametrize(
    ("verdict", "hosts"),
    [
        (Done(), ["a.example.com"]),
        (Waiting("for b"), ["a.example.com"]),
        (Failed("500: no"), ["a.example.com"]),
        (Unreadable((PATH,)), []),
        (Obstructed((SERVICE,)), []),
    ],
)
def test_it_names_the_hosts_that_were_accepted(verdict, hosts):
    found = status.render(verdict, 1, b"", NOW, ["a.example.com"]) or {}
    assert found["hosts"] == hosts


def test_what_says_the_same_is_not_written_again():
    before = json.dumps(rendered(Done())).encode()
    assert rendered(Done(), before=before, now=LATER) is None


def test_a_condition_keeps_its_time_until_it_turns():
    before = json.dumps(rendered(Done())).encode()
    found = rendered(Obstructed((SERVICE,)), 2, before, LATER)
    times = [one["lastTransitionTime"] for one in found["conditions"]]
    assert times == [NOW, LATER, LATER]
    assert found["lastProcessedTime"] == LATER


@pytest.mark.parametrize(
    ("verdict", "generation", "accepted"),
    [
        (Done(), 1, True),
        (Failed("403"), 1, True),
        (Waiting("b"), 1, True),
        (Done(), 2, False),
        (Obstructed((SERVICE,)), 1, False),
        (Unreadable((PATH,)), 1, False),
    ],
)
def test_the_authorizer_can_tell_whether_this_version_was_taken(verdict, generation, accepted):
    assert status.is_accepted(rendered(verdict), generation) is accepted
    assert not status.is_accepted({}, generation)
