"""Each real server is started once for all tests of this folder."""

import pytest

from tests.login import parts
from tests.migrate import ory


@pytest.fixture(scope="session")
def hydra(tmp_path_factory):
    with ory.hydra(tmp_path_factory.mktemp("hydra")) as running:
        yield running


@pytest.fixture(scope="session")
def site(hydra, tmp_path_factory):
    with parts.site(tmp_path_factory.mktemp("site"), hydra) as running:
        yield running


@pytest.fixture(scope="session")
def keycloak(site):
    return parts.Keycloak(site)


@pytest.fixture(scope="module")
def cookie(site):
    """What Alice's browser has after signing in."""
    site.restart_proxy()
    return site.sign_in("alice")


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    with parts.redis(tmp_path_factory.mktemp("redis")) as url:
        yield url
