"""From one release to the next under load: replicas are replaced as the Deployment has it, and nothing fails.

There are no pods here. What Kubernetes and istiod do is done by hand, in their order and with the chart's
settings, at a tenth of its times; the replicas, Envoy and the load are real.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.charts.helm import one, rendered
from tests.server import gateway
from tests.server.gateway import Gateway
from tests.server.test_run import Running, ready

pytestmark = pytest.mark.slow

FASTER = 10
CALLERS = 20
PROPAGATION_S = 0.5  # from a pod's end to the last Envoy that knows: seconds, in a mesh that is busy
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def chart():
    """What the chart says of the authorizer's pods, and of how Envoys treat them."""
    documents = rendered({})
    deployment = one(documents, "Deployment", "authz")["spec"]
    policy = one(documents, "DestinationRule", "authz")["spec"]["trafficPolicy"]
    return deployment, policy


def cluster(file, policy):
    """What istiod makes of the DestinationRule."""
    pool, outliers = policy["connectionPool"], policy["outlierDetection"]
    limits = {
        "max_connections": pool["tcp"]["maxConnections"],
        "max_requests": pool["http"]["http2MaxRequests"],
        "max_pending_requests": pool["http"]["http1MaxPendingRequests"],
    }
    return gateway.followed(
        file,
        lb_policy=policy["loadBalancer"]["simple"],
        connect_timeout=pool["tcp"]["connectTimeout"],
        circuit_breakers={"thresholds": [limits]},
        outlier_detection={
            "consecutive_5xx": outliers["consecutive5xxErrors"],
            "consecutive_gateway_failure": outliers["consecutiveGatewayErrors"],
            "enforcing_consecutive_gateway_failure": 100,
            "interval": outliers["interval"],
            "base_ejection_time": outliers["baseEjectionTime"],
            "max_ejection_percent": outliers["maxEjectionPercent"],
        },
        common_lb_config={"healthy_panic_threshold": {"value": 0}},
    )


class Deployment:
    """Replicas, and the endpoints that Envoy is told of."""

    def __init__(self, folder: Path, spec) -> None:
        (container,) = spec["template"]["spec"]["containers"]
        self.count = spec["replicas"]
        self._pre_stop_s = container["lifecycle"]["preStop"]["sleep"]["seconds"] / FASTER
        self._grace_s = spec["template"]["spec"]["terminationGracePeriodSeconds"]
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        self.file = folder / "endpoints.json"
        self._folder = folder
        self._replicas: list[Running] = []
        self._made = 0

    async def add(self) -> None:
        """One more; Envoy hears of it once it is ready."""
        self._made += 1
        folder = self._folder / f"replica-{self._made}"
        folder.mkdir()
        replica = Running(folder)
        replica.start()
        self._replicas.append(replica)
        async with asyncio.timeout(PATIENCE_S):
            while not await asyncio.to_thread(ready, replica):  # noqa: ASYNC110  # another process
                await asyncio.sleep(0.05)
        self._tell()

    async def end_the_oldest(self) -> int:
        """As the kubelet does: preStop, SIGTERM, and it has `terminationGracePeriodSeconds` for both."""
        replica = self._replicas.pop(0)
        propagating = asyncio.create_task(self._propagate())
        await asyncio.sleep(self._pre_stop_s)
        replica.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(replica.process.wait, self._grace_s)
        await propagating
        return code

    def kill(self) -> None:
        for replica in self._replicas:
            replica.process.kill()
            replica.process.wait()

    @property
    def address(self) -> str:
        return self._replicas[0].grpc

    async def _propagate(self) -> None:
        await asyncio.sleep(PROPAGATION_S)
        self._tell()

    def _tell(self) -> None:
        gateway.endpoints(self.file, [replica.grpc for replica in self._replicas])


@asynccontextmanager
async def under_load(envoy: Gateway) -> AsyncIterator[Counter[int]]:
    """Counts the statuses of answers to requests that never cease."""
    found, stop = Counter[int](), asyncio.Event()

    async def caller() -> None:
        while not stop.is_set():
            found[await envoy.status("/public/thing")] += 1

    callers = [asyncio.create_task(caller()) for _ in range(CALLERS)]
    try:
        yield found
    finally:
        stop.set()
        await asyncio.gather(*callers)


async def test_no_request_fails_while_every_replica_is_replaced(chart, tmp_path):
    spec, policy = chart
    deployment = Deployment(tmp_path, spec)
    try:
        for _ in range(deployment.count):
            await deployment.add()
        made = cluster(deployment.file, policy)
        async with gateway.running(deployment.address, tmp_path, 2.0, made) as envoy:
            async with under_load(envoy) as found:
                for _ in range(deployment.count):
                    await deployment.add()
                    assert await deployment.end_the_oldest() == 0
            assert found.keys() == {200}
            assert found[200] > 1_000
    finally:
        deployment.kill()
