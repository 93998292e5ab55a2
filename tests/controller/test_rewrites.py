"""Who fights for an object with somebody else does so at a bounded pace."""

import pytest

from authz.controller.held import FINALIZER
from authz.controller.reconcile import Reconciler
from authz.controller.rewrites import TIMES_MAX, WINDOW_S, Contested, Rewrites
from authz.controller.status import Disputed, Done
from tests.controller.clusters import PUBLIC, apirule
from tests.controller.fakes import FakeApi
from tests.controller.worlds import Alone

ROUTE = ("VirtualService", "shop/a")


@pytest.fixture
def now():
    return [1_000.0]


@pytest.fixture
def rewrites(now):
    found = Rewrites(lambda: now[0])
    for _ in range(TIMES_MAX):
        found.count(ROUTE, b"a")
    return found


@pytest.mark.parametrize("passed_s", [0.0, WINDOW_S - 1])
def test_the_same_is_not_written_again_and_again(rewrites, now, passed_s):
    now[0] += passed_s
    with pytest.raises(Contested, match="VirtualService shop/a was put back 10 times within a minute"):
        rewrites.count(ROUTE, b"a")


@pytest.mark.parametrize("passed_s", [WINDOW_S, -1.0], ids=["later", "the clock was set back"])
def test_it_goes_on_after_a_while(rewrites, now, passed_s):
    now[0] += passed_s
    rewrites.count(ROUTE, b"a")


def test_an_edit_counts_anew(rewrites):
    rewrites.count(ROUTE, b"b")
    rewrites.count(ROUTE)


class Written(FakeApi):
    """Whatever is applied is as it shall be, and gone again."""

    async def apply(self, kind, document):  # noqa: ARG002 - as its parent
        return document | {"metadata": document["metadata"] | {"resourceVersion": "1"}}


async def test_the_author_is_told():
    alone = Alone()
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER])
    reconciler = Reconciler(Written(), alone.world, None, None, lambda: 0.0)  # type: ignore[arg-type]
    told = []
    for _ in range(TIMES_MAX + 1):
        told.append(await reconciler._pursue(alone.world.rules["shop/a"]))
        for store in (alone.world.policies, alone.world.virtual_services):
            for key in [*store.known]:
                store.forget(key)
    *good, last = told
    assert good == [Done()] * TIMES_MAX
    assert isinstance(last, Disputed)
    assert "was put back 10 times within a minute" in last.message
