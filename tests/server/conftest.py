"""The transports that the common suite runs on, and a provider that answers when told to."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.server.transports import TRANSPORTS, Slow


@pytest.fixture(params=TRANSPORTS, name="transport")
def _transport(request: pytest.FixtureRequest) -> Any:
    return TRANSPORTS[request.param]


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    provider = Slow()
    yield provider
    await provider.sources.close()


@pytest.fixture(scope="session", autouse=True)
def _grpcio_goes_on() -> None:
    """Its thread stays for all tests: seldom, grpcio waits for ever for the thread to end."""
    grpc.aio.init_grpc_aio()
