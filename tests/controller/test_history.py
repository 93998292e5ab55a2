"""Never open: not for one version of the API server's store, whatever happens to an APIRule."""

import pytest

from tests.controller.clusters import controlled, entered, prepare
from tests.controller.history import History, drawn, go_through, violations
from tests.kube.server import ApiServer

pytestmark = pytest.mark.slow


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
