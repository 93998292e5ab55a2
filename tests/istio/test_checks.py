"""Each check finds its mistake, where it is and in the words that were agreed on, and nothing else."""

import pytest

from authz.istio import apirule
from authz.istio.problem import Invalid
from tests.istio.checks import SYNTAX, TOKENS, good


def test_the_document_that_the_cases_spoil_is_good():
    assert apirule.parse(good()).key == "shop/shop"


@pytest.mark.parametrize("case", [*SYNTAX, *TOKENS], ids=str)
def test_a_mistake_is_told_where_it_is(case):
    with pytest.raises(Invalid) as caught:
        apirule.parse(case.document)
    assert [str(problem) for problem in caught.value.problems] == [str(case)]
