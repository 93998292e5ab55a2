"""The API server that tests run on: killed and started again, it is the same cluster."""

import signal

import httpx
import pytest

from tests.istio.checks import good
from tests.kube.server import ApiServer, path

pytestmark = pytest.mark.slow


def test_what_was_written_outlives_a_kill(tmp_path):
    users = {"reader-token": ("reader", "readers")}
    with ApiServer(tmp_path, users) as server:
        server.namespace("shop")
        server.apply(good())
        with server.client("reader-token") as reader:
            assert reader.get(path(good())).status_code == 403
        for stop in (server.stop_api, server.stop):
            stop(signal.SIGKILL)
            with server.client() as client, pytest.raises(httpx.TransportError):
                client.get("/readyz")
            server.start()
            with server.client() as client:
                assert client.get(path(good())).json()["spec"] == good()["spec"]
