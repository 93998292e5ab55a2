"""Each real server is started once for all tests of this folder."""

import pytest

from tests.login import parts


@pytest.fixture(scope="session")
def hydra(tmp_path_factory):
    running = parts.Hydra(parts.free_port(), parts.free_port(), tmp_path_factory.mktemp("hydra"))
    running.start()
    yield running
    running.stop()


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
