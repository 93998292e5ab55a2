"""A clock, a source and a provider for each test."""

import pytest

from authz.sources.fetched import Fetched, Refresh
from tests.sources.fakes import Clock, Origin, Provider


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def origin():
    return Origin()


@pytest.fixture
async def fetched(clock, origin):
    settings = Refresh(ttl_s=600, refresh_before_s=60, cooldown_s=10, stale_s=3_600, retry_s=10)
    made = Fetched(origin, clock, settings)
    yield made
    await made.close()


@pytest.fixture
async def provider():
    made = Provider("a")
    yield made
    await made.client.close()
