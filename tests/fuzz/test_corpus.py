"""What fuzzing has found so far, again, and without its tools."""

from importlib import import_module

import pytest

from authz.core.decision import Allow
from tests.fuzz import check, corpus

TOTAL_MAX_BYTES = 1_000_000  # what a repository can bear for this


@pytest.mark.parametrize("target", corpus.TARGETS)
def test_every_input_that_is_kept_is_borne(target):
    inputs = corpus.read(target)
    assert inputs
    for data in inputs:
        import_module(f"tests.fuzz.{target}").one(data)


def test_the_corpus_is_small():
    assert sum(len(data) for target in corpus.TARGETS for data in corpus.read(target)) < TOTAL_MAX_BYTES


@pytest.mark.parametrize(
    ("request_", "passes"),
    [
        (check.ask("/public/a"), True),
        (check.ask("/read/a", authorization=f"Bearer {check.READER}"), True),
        (check.ask("/read/a", authorization=f"Bearer {check.NOBODY}"), False),
        (check.ask("/any", authorization=f"Bearer {check.NOBODY}"), True),
        (check.ask(f"/query?token={check.NOBODY}"), True),
        (check.ask("/any", authorization=f"Bearer {check.TOO_OLD}"), False),
        (check.ask("/any"), False),
    ],
)
def test_requests_that_pass_are_among_those_that_are_varied(request_, passes):
    check.one(request_)
    assert isinstance(check.LAST.decision, Allow) == passes
    assert request_ in corpus.read("check")
