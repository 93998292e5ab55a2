"""The transports that the common suite runs on, and a provider that answers when told to."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.server.transports import TRANSPORTS, Slow


@pytest.fixture(params=TRANSPORTS, name="transport")
async def _transport(request: pytest.FixtureRequest) -> Any:
    # Once more than it is given up, so that its thread stays: seldom, grpcio waits for ever for its end.
    grpc.aio.init_grpc_aio()
    return TRANSPORTS[request.param]


@pytest.fixture
async def slow() -> AsyncIterator[Slow]:
    provider = Slow()
    yield provider
    await provider.sources.close()
