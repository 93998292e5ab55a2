"""The old world, started once for all tests of this folder."""

import pytest

from tests.migrate import ory


@pytest.fixture(scope="session")
def hydra(tmp_path_factory):
    with ory.hydra(tmp_path_factory.mktemp("hydra")) as running:
        yield running


@pytest.fixture(scope="session")
def issuers():
    with ory.issuers() as running:
        yield running
