"""One write at a time: what somebody else has said meanwhile is never written over, nor taken away."""

from typing import Any

import pytest

from authz.controller.api import Refused
from authz.controller.kinds import APIRULES, VIRTUAL_SERVICES, key
from authz.istio.migration import STAGE
from authz.migrate.stages import cluster
from authz.migrate.stages import steps as stages
from authz.migrate.stages.cluster import Stuck
from authz.migrate.stages.saved import RULES
from authz.migrate.stages.steps import Stage
from authz.migrate.stages.writes import Put, Remove
from tests.migrate.test_stages import at, old_rule, planned, route, writes

MARKED = {"metadata": {"annotations": {STAGE: "switch"}}}


def _version(document):
    """Of an object, by all that it says."""
    metadata = {name: one for name, one in document["metadata"].items() if name != "resourceVersion"}
    return repr(document | {"metadata": metadata})


class Server:
    """An API server in memory. `meanwhile` is what somebody else writes just before us, once."""

    def __init__(self, there, meanwhile=None):
        self.there = there
        self._meanwhile = meanwhile

    async def get(self, kind, _key):
        if kind is APIRULES:
            return MARKED
        if self.there is None:
            raise Refused(404, "not found")
        return self.there | {"metadata": self.there["metadata"] | {"resourceVersion": _version(self.there)}}

    async def create(self, _kind, document):
        self.there = document

    async def replace(self, _kind, document):
        document["metadata"].pop("resourceVersion")
        if self._meanwhile:
            self.there, self._meanwhile = self._meanwhile, None
            raise Refused(409, "has been modified")
        self.there = document

    async def delete(self, _kind, _key, version):
        if self._meanwhile:
            self.there, self._meanwhile = self._meanwhile, None
        if version != _version(self.there):
            raise Refused(409, "the ResourceVersion in the precondition does not match")
        self.there = None


def changed(**spec: Any) -> dict[str, Any]:
    fields = [{"manager": "argocd", "time": "2026-01-01T00:00:00Z"}]
    one = route("orders-x7k2p", managedFields=fields)
    return one | {"spec": one["spec"] | spec}


def routing(now: Stage, to: Stage) -> Put | Remove:
    """The first write of the old VirtualService on this way."""
    item = planned(at(now)).item
    steps = stages.forward(item, to) if to > now else stages.back(item)[1]
    return next(
        one for one in writes(steps) if isinstance(one, (Put, Remove)) and one.kind is VIRTUAL_SERVICES
    )


WAYS = [
    (Stage.SHADOW, Stage.SWITCH),
    (Stage.SHADOW, Stage.PREPARE),
    (Stage.SWITCH, Stage.SHADOW),
]


@pytest.mark.parametrize(("now", "to"), WAYS)
async def test_a_route_that_somebody_has_changed_is_left_so(now, to):
    server: Any = Server(changed(http=[]))
    with pytest.raises(Stuck, match="changed meanwhile by argocd"):
        await cluster.write(server, routing(now, to))
    assert server.there == changed(http=[])


async def test_a_route_that_is_changed_at_the_same_moment_is_left_so():
    server: Any = Server(route("orders-x7k2p"), meanwhile=changed(http=[]))
    with pytest.raises(Stuck, match="changed meanwhile by argocd"):
        await cluster.write(server, routing(Stage.SWITCH, Stage.SHADOW), pause_s=0)
    assert server.there == changed(http=[])


async def test_a_route_that_is_changed_just_before_it_goes_stays():
    server: Any = Server(route("orders-x7k2p"), meanwhile=changed(http=[]))
    with pytest.raises(Stuck, match="changed meanwhile by argocd"):
        await cluster.write(server, routing(Stage.SHADOW, Stage.SWITCH), pause_s=0)
    assert server.there == changed(http=[])


async def test_what_is_labelled_just_before_it_goes_goes_all_the_same():
    labelled = route("orders-x7k2p", labels={"team": "shop"})
    server: Any = Server(route("orders-x7k2p"), meanwhile=labelled)
    await cluster.write(server, routing(Stage.SHADOW, Stage.SWITCH), pause_s=0)
    assert server.there is None


async def test_a_rule_that_is_another_by_now_does_not_go_at_the_finish():
    other = old_rule() | {"spec": {"match": {"url": "https://other.example.com/"}}}
    (remove,) = (
        one
        for one in writes(stages.forward(planned(at(Stage.SWITCH)).item, Stage.FINISH))
        if isinstance(one, Remove) and one.kind is RULES
    )
    server: Any = Server(other)
    with pytest.raises(Stuck, match=f"Rule {key(other)} has been changed meanwhile"):
        await cluster.write(server, remove)
    assert server.there == other


async def test_a_conflict_about_anything_else_is_no_obstacle():
    labelled = route("orders-x7k2p", labels={"team": "shop"})
    server: Any = Server(route("orders-x7k2p"), meanwhile=labelled)
    wanted = routing(Stage.SWITCH, Stage.SHADOW)
    assert isinstance(wanted, Put)
    await cluster.write(server, wanted, pause_s=0)
    assert server.there["spec"] == wanted.document["spec"]
    assert server.there["metadata"]["labels"]["team"] == "shop"


@pytest.mark.parametrize(("now", "to"), WAYS)
async def test_what_is_done_already_may_be_done_again(now, to):
    one = routing(now, to)
    server: Any = Server(one.document if isinstance(one, Put) else None)
    await cluster.write(server, one)
    await cluster.write(server, one)
    assert server.there == (one.document if isinstance(one, Put) else None)


async def test_a_rule_that_has_come_into_the_place_of_an_old_one_is_left():
    other = old_rule() | {"spec": {"match": {"url": "https://other.example.com/"}}}
    (put,) = (
        one
        for one in writes(stages.back(planned(at(Stage.FINISH)).item)[1])
        if isinstance(one, Put) and one.kind is RULES
    )
    server: Any = Server(other)
    with pytest.raises(Stuck, match=f"Rule {key(other)} has been changed meanwhile"):
        await cluster.write(server, put)
