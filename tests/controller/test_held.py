"""What is kept of an APIRule is read once a version: most writes are our own, of the status."""

import pytest

from authz.controller import held
from authz.istio.migration import STAGE
from tests.controller.clusters import PUBLIC, apirule


def stored(**metadata):
    document = apirule("shop", PUBLIC)
    own = {"uid": "1", "generation": 1, "resourceVersion": "1"}
    return document | {"metadata": document["metadata"] | own | metadata}


@pytest.mark.parametrize(
    ("change", "again"),
    [
        ({"resourceVersion": "2", "finalizers": ["a"]}, False),
        ({"resourceVersion": "2", "annotations": {"example.com/a": "b"}}, False),
        ({"resourceVersion": "2", "annotations": {STAGE: "guard"}}, True),
        ({"resourceVersion": "2", "generation": 2}, True),
        ({"resourceVersion": "2", "uid": "2"}, True),
    ],
    ids=["finalizers", "annotation", "migration", "generation", "another"],
)
def test_only_what_may_say_something_else_is_read_again(change, again):
    known = held.rule(stored())
    now = held.rule(stored(**change) | {"status": {"state": "Ready"}}, known)
    assert (now.apirule is not known.apirule) == again
    assert now == held.rule(stored(**change) | {"status": {"state": "Ready"}})


def test_what_could_not_be_read_is_read_again():
    known = held.rule(stored(annotations={STAGE: "somewhere"}))
    assert (known.apirule, held.rule(stored(), known).apirule is None) == (None, False)
