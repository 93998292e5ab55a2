"""One API server for all tests of this folder; each that writes has a namespace of its own."""

import pytest

from tests.kube.server import ApiServer


@pytest.fixture(scope="session")
def kube(tmp_path_factory):
    with ApiServer(tmp_path_factory.mktemp("kube")) as server:
        server.namespace("shop")
        yield server
