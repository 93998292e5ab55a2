"""One APIRule, while the API server refuses and the cluster changes: no route begins that should not."""

import pytest

from authz.controller import kinds
from authz.controller.api import Refused
from authz.controller.events import Events
from authz.controller.held import FINALIZER
from authz.controller.reconcile import Reconciler
from authz.controller.status import Done, Failed, Obstructed, Waiting
from authz.controller.telemetry import Telemetry
from tests.controller.clusters import JWT, PUBLIC, apirule, gateway, service
from tests.controller.fakes import FakeApi
from tests.controller.worlds import Alone

GOING = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [FINALIZER]}
MISSING = {"service": {"name": "missing", "port": 80}}


class Hooked(FakeApi):
    """Does what it is asked after `before`, which may raise, has heard of it: the verb and the object."""

    def __init__(self):
        super().__init__()
        self.before = lambda _call: None
        self.calls: list[tuple[str, str]] = []
        self.pods = []
        self.changes = {}  # what a webhook makes of a spec
        self.version = 1_000

    def _hear(self, verb, kind, key):
        self.calls.append((verb, kind.name))
        self.before((verb, kind.name))
        return key

    async def apply(self, kind, document):
        self._hear("apply", kind, kinds.key(document))
        return self._write(document | {"spec": document["spec"] | self.changes})

    async def merge(self, kind, key, changes, sub=""):
        self._hear("merge", kind, key)
        made = apirule("a", JWT)
        own = {"uid": "shop/a", "generation": 1, "finalizers": [FINALIZER]} | changes.get("metadata", {})
        self.version += 1
        version = {"resourceVersion": str(self.version)}
        return made | changes | {"metadata": made["metadata"] | own | version}

    async def delete(self, kind, key, version=""):
        self._hear("delete", kind, key)
        return {}

    async def get(self, kind, key):
        self._hear("get", kind, key)
        return {}

    async def list(self, kind, query):
        self._hear("list", kind, "")
        return {"items": self.pods}


# ruff: noqa: ARG002 - it takes what its parent takes


@pytest.fixture
def api():
    return Hooked()


@pytest.fixture
def alone(api):
    alone = Alone()
    events = Events(api, lambda: True)
    alone.reconciler = Reconciler(api, alone.world, Telemetry(), events, lambda: 0.0)
    alone.put(apirule("a", JWT), finalizers=[FINALIZER])
    return alone


async def pursued(alone):
    return await alone.reconciler._pursue(alone.world.rules["shop/a"])


def refusing(status, verb, kind):
    """What `before` may be."""

    def before(call):
        if call == (verb, kind):
            raise Refused(status, "no")

    return before


async def test_guards_come_before_the_route(alone, api):
    assert await pursued(alone) == Done()
    assert [kind for verb, kind in api.calls if verb == "apply"] == [
        "RequestAuthentication",
        "AuthorizationPolicy",
        "VirtualService",
    ]


@pytest.mark.parametrize("kind", ["AuthorizationPolicy", "RequestAuthentication", "VirtualService", "Pod"])
async def test_what_the_api_server_refuses_is_told_and_no_route_begins(alone, api, kind):
    api.before = refusing(403, "list" if kind == "Pod" else "apply", kind)
    assert await pursued(alone) == Failed("403: no")
    assert "shop/a" not in alone.world.virtual_services.known


async def test_a_conflict_is_no_news_for_its_author(alone, api):
    alone.put(apirule("a", JWT), finalizers=[])
    api.before = refusing(409, "merge", "APIRule")
    with pytest.raises(Refused, match="409"):
        await pursued(alone)
    assert "shop/a" not in alone.world.virtual_services.known


async def test_the_finalizer_is_there_before_the_route(alone, api):
    alone.put(apirule("a", JWT), finalizers=[])
    assert await pursued(alone) == Done()
    assert api.calls.index(("merge", "APIRule")) < api.calls.index(("apply", "VirtualService"))
    assert alone.world.rules["shop/a"].finalizers == (FINALIZER,)


def narrowed():
    made = gateway()
    made["spec"]["servers"][0]["hosts"] = ["elsewhere.org"]
    return made


CHANGES = {
    "it has gone": lambda alone: alone.world.rules.forget("shop/a"),
    "it is another": lambda alone: alone.put(apirule("a", JWT, "b.example.com"), generation=2),
    "its Service means other pods": lambda alone: alone.put(service("s1", {"app": "other"})),
    "its Gateway leaves its host to others": lambda alone: alone.put(narrowed()),
    "it is not valid any more": lambda alone: alone.put(apirule("a", JWT | MISSING), generation=2),
    "a guard has gone": lambda alone: [
        alone.world.authentications.forget(key) for key in [*alone.world.authentications.known]
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_no_route_begins_for_what_was(alone, api, change):
    def before(call):
        if call == ("apply", "AuthorizationPolicy"):
            change(alone)

    api.before = before
    assert await pursued(alone) == Waiting("The cluster has changed meanwhile")
    assert "shop/a" not in alone.world.virtual_services.known


async def test_a_change_around_it_that_changes_nothing_of_it_stops_nothing(alone, api):
    api.before = lambda _: alone.put(service("s9", {"app": str(len(api.calls))}))
    assert await pursued(alone) == Done()


async def test_no_route_begins_before_pods_without_a_sidecar(alone, api):
    api.pods = [{"metadata": {"name": "bare"}, "spec": {"containers": [{"name": "app"}]}}]
    verdict = await pursued(alone)
    assert isinstance(verdict, Obstructed)
    assert (verdict.unseen, verdict.serves) == (True, False)
    assert "shop/a" not in alone.world.virtual_services.known
    api.pods = []
    assert await pursued(alone) == Done()


async def test_what_comes_out_otherwise_than_it_was_written_is_told(alone, api):
    api.changes = {"action": "AUDIT"}
    verdict = await pursued(alone)
    assert isinstance(verdict, Failed)
    assert "is not what was applied: something changes it" in verdict.message
    assert "shop/a" not in alone.world.virtual_services.known


@pytest.mark.parametrize(("status", "expected"), [(404, Done()), (403, Failed("403: no"))])
async def test_what_has_gone_by_itself_need_not_be_deleted(alone, api, status, expected):
    await pursued(alone)
    alone.put(apirule("a", PUBLIC), finalizers=[FINALIZER], generation=2)
    api.before = refusing(status, "delete", "RequestAuthentication")
    assert await pursued(alone) == expected
    assert bool(alone.world.authentications.known) == isinstance(expected, Failed)


async def test_who_loses_the_route_of_its_last_version_is_looked_at_again(alone):
    await pursued(alone)
    alone.put(apirule("a", JWT | MISSING), finalizers=[FINALIZER], generation=2)
    alone.put(service("s1", {"app": "other"}))
    alone.concerned.clear()
    verdict = await pursued(alone)
    assert isinstance(verdict, Obstructed)
    assert not verdict.serves
    assert alone.concerned == ["shop/a"]


async def left_behind(alone, api, before):
    await pursued(alone)
    alone.world.rules.forget("shop/a")
    api.before = before
    return await alone.reconciler.reconcile("shop/a")


async def test_what_an_apirule_left_goes_if_it_has_gone(alone, api):
    assert await left_behind(alone, api, refusing(404, "get", "APIRule")) == Done()
    assert alone.world.actual("shop/a") == []


async def test_what_it_left_stays_if_it_is_there_after_all(alone, api):
    assert await left_behind(alone, api, refusing(500, "put", "APIRule")) == Done()
    assert alone.world.actual("shop/a")


async def test_what_it_left_stays_while_nobody_can_tell(alone, api):
    with pytest.raises(Refused, match="403"):
        await left_behind(alone, api, refusing(403, "get", "APIRule"))
    assert alone.world.actual("shop/a")


async def test_a_status_of_what_has_gone_is_not_missed(alone, api):
    api.before = refusing(404, "merge", "APIRule")
    assert await alone.reconciler.reconcile("shop/a") == Done()


@pytest.mark.parametrize("status", [409, 422])
async def test_a_status_that_is_not_taken_is_tried_again(alone, api, status):
    api.before = refusing(status, "merge", "APIRule")
    with pytest.raises(Refused, match=str(status)):
        await alone.reconciler.reconcile("shop/a")


async def test_one_that_has_gone_before_it_was_held_gets_no_route(alone, api):
    alone.put(apirule("a", JWT), finalizers=[])
    api.before = refusing(404, "merge", "APIRule")
    assert await pursued(alone) == Failed("404: no")
    assert "shop/a" not in alone.world.virtual_services.known


async def test_a_status_is_written_once(alone, api):
    for _ in range(2):
        assert await alone.reconciler.reconcile("shop/a") == Done()
    assert api.calls.count(("merge", "APIRule")) == 1


async def test_an_apirule_that_goes_is_let_go_after_its_objects(alone, api):
    await pursued(alone)
    alone.put(apirule("a", JWT), **GOING)
    del api.calls[:]
    assert await alone.reconciler.reconcile("shop/a") == Done()
    assert [kind for _, kind in api.calls] == [
        "VirtualService",
        "AuthorizationPolicy",
        "RequestAuthentication",
        "APIRule",
    ]


async def test_one_that_was_let_go_by_somebody_else_has_gone(alone, api):
    alone.put(apirule("a", JWT), **GOING)
    api.before = refusing(404, "merge", "APIRule")
    assert await alone.reconciler.reconcile("shop/a") == Done()
    api.before = refusing(403, "merge", "APIRule")
    with pytest.raises(Refused, match="403"):
        await alone.reconciler.reconcile("shop/a")
