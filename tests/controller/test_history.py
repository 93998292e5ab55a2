"""Never open: not for one version of the API server's store, whatever happens to an APIRule."""

import pytest

from authz.istio import apirule as apirules
from authz.istio import translate
from tests.controller.clusters import (
    JWT,
    PUBLIC,
    Cluster,
    apirule,
    controlled,
    entered,
    gateway,
    mesh,
    prepare,
    service,
)
from tests.controller.history import History, Version, drawn, go_through, violations
from tests.istio.meshes import known
from tests.kube.server import ApiServer

CLUSTER = known([gateway(), mesh(), service("s1", {"app": "one"})])
LIFE: list[Version] = [(PUBLIC, {}), (JWT, {})]


def written(*groups):
    """A history in which the objects of each version came in that order."""
    history, version = History(Cluster.__new__(Cluster)), 0
    marks = []
    for group in groups:
        for kind, document in group:
            version += 1
            history.events.append((version, kind, document))
        marks.append(version)
    return history, {"a": marks[:-1]}


def objects(access):
    *policies, route = translate.translate(apirules.parse(apirule("a", access)), CLUSTER)
    return [("MODIFIED", one) for one in policies], [("MODIFIED", route)]


@pytest.mark.parametrize(
    ("backwards", "expected"),
    [((), ""), ((0,), "a route without a policy in state 1"), ((1,), ""), ((2,), "a route without a policy")],
)
def test_a_wrong_order_is_found(backwards, expected):
    (allow, route), (stricter, again) = objects(PUBLIC), objects(JWT)
    gone = [("DELETED", one) for _, one in route], [("DELETED", one) for _, one in stricter]
    groups = [(allow, route), (stricter, again), gone]
    history, marks = written(
        *(
            [*second, *first] if number in backwards else [*first, *second]
            for number, (first, second) in enumerate(groups)
        )
    )
    found = list(violations(history, {"a": LIFE}, marks))
    assert any(expected in fault for fault in found) if expected else found == []


@pytest.mark.slow
async def test_no_route_is_ever_there_without_its_policies(tmp_path):
    with ApiServer(tmp_path) as server:
        access = prepare(server)
        lives = drawn(20, edits=3)
        async with entered(access) as cluster, controlled(access):
            history = History(cluster)
            async with history.recorded():
                marks = await go_through(cluster, lives)
        assert len(history.events) > 20 * 8
        assert list(violations(history, lives, marks)) == []
