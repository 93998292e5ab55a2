"""Both transports, asked by the programs that people have: Envoy and ghz."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format

from authz.local import programs
from authz.server import ext_authz_pb2 as pb
from authz.server import grpcio, service
from authz.server.h2 import server as h2
from authz.server.h2.limits import LIMITS
from authz.server.service import Service
from benchmarks import workload
from tests.server import gateway
from tests.server.gateway import Gateway
from tests.server.test_service import GOOD, ask
from tests.server.test_service import service as ready_service
from tests.server.transports import free_address, serving

pytestmark = pytest.mark.slow

AGE_S = 0.5
AGEING = {
    grpcio.Server: partial(grpcio.Server, age_s=AGE_S),
    h2.Server: partial(h2.Server, limits=replace(LIMITS, age_s=AGE_S)),
}
CALLS = 5_000


async def test_envoy_is_answered(transport, tmp_path):
    async with fronted(transport, ready_service(), tmp_path) as (_, envoy):
        asked = [envoy.status("/any", GOOD if number % 2 else None) for number in range(200)]
        assert await asyncio.gather(*asked) == [401, 200] * 100


async def test_envoys_health_check_follows_readiness_and_nobody_passes_while_it_fails(transport, tmp_path):
    async with fronted(transport, ready_service(), tmp_path) as (server, envoy):
        assert await envoy.healthy()
        await server.serving(ready=False)
        await envoy.until(403, "/public/ready")
        assert not await envoy.healthy()
        assert await envoy.status("/any", GOOD) == 403
        await server.serving(ready=True)
        await envoy.until(200, "/any", GOOD)


async def test_envoy_gives_up_a_check_that_takes_too_long_and_nobody_passes(transport, slow, tmp_path):
    async with fronted(transport, slow.line, tmp_path, timeout_s=0.5) as (_, envoy):
        asked = [envoy.status("/any", GOOD) for _ in range(20)]
        assert set(await asyncio.gather(*asked)) == {403}
        slow.answer.set()
        assert await envoy.status("/any", GOOD) == 200


async def test_envoy_connects_anew_and_again_and_no_call_fails(transport, tmp_path):
    async def caller(envoy: Gateway) -> set[int]:
        until = asyncio.get_running_loop().time() + 4 * AGE_S
        found = set()
        while asyncio.get_running_loop().time() < until:
            found.add(await envoy.status("/any", GOOD))
        return found

    async with fronted(AGEING[transport], ready_service(), tmp_path) as (_, envoy):
        before = await envoy.connections()
        assert await asyncio.gather(*[caller(envoy) for _ in range(10)]) == [{200}] * 10
        assert await envoy.connections() > before + 1


async def test_nobody_passes_envoy_when_the_server_has_gone(transport, tmp_path):
    async with fronted(transport, ready_service(), tmp_path) as (server, envoy):
        assert await envoy.status("/any", GOOD) == 200
        await server.stop()
        assert await envoy.status("/any", GOOD) == 403


@asynccontextmanager
async def fronted(
    transport: Any, line: Service, folder: Path, timeout_s: float = 5.0
) -> AsyncIterator[tuple[Any, Gateway]]:
    """A server that is ready, and an Envoy in front of it."""
    where = free_address()
    server = transport(line, where)
    await server.start()
    await server.serving(ready=True)
    try:
        async with gateway.running(where, folder, timeout_s) as envoy:
            yield server, envoy
    finally:
        await server.stop()


async def test_ghz_is_answered_over_many_connections(transport, tmp_path):
    line = ready_service()
    async with serving(transport, line, where := free_address()):
        report = await ghz(where, tmp_path)
        assert report["statusCodeDistribution"] == {"OK": CALLS}
        page = line._telemetry.page().decode()
        assert f'authz_checks_total{{reason="AUTHORIZED",rule="any"}} {CALLS / 2}' in page
        assert f'authz_checks_total{{reason="TOKEN_MISSING",rule="any"}} {CALLS / 2}' in page


async def ghz(address: str, folder: Path) -> dict[str, dict[str, int]]:
    """Its report of calls, every other of which has a token."""
    workload.descriptors(folder / "descriptors")
    messages = [pb.CheckRequest.FromString(ask("/any", token)) for token in (GOOD, None)]
    data = folder / "messages.json"
    data.write_text(json.dumps([json_format.MessageToDict(each) for each in messages]))
    options = f"--insecure --call {service.NAME}/Check --total {CALLS} --concurrency 200 --connections 20"
    files = ("--protoset", folder / "descriptors", "--data-file", data, "--format", "json")
    process = await asyncio.create_subprocess_exec(
        programs.get("ghz"), *options.split(), *files, address, stdout=asyncio.subprocess.PIPE
    )
    report: dict[str, dict[str, int]] = json.loads((await process.communicate())[0])
    return report
