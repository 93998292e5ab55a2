"""The request's id, by which the caller's answer, the log line and the span find each other."""

import asyncio
import json

import pytest
from envoy_data_plane.envoy.service.auth.v3 import CheckResponse

from authz.core.reason import Reason
from authz.observed import Log
from authz.server.decision_log import DecisionLog
from authz.server.telemetry import Telemetry, configure_logging
from tests.server.test_kinds import NAVIGATION, SESSION, STRANGER, Answer, World, check
from tests.servers import eventually


@pytest.fixture
async def world(tmp_path):
    (tmp_path / "secret").write_text("s")
    made = World(tmp_path / "secret")
    made.service._telemetry = Telemetry(DecisionLog(Log()))
    yield made
    await made.sources.close()


@pytest.fixture
def lines(capsys):
    configure_logging()
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({}, Reason.SESSION_MISSING),
        ({"content-type": "application/grpc"}, Reason.SESSION_MISSING),
        ({"authorization": "Bearer unknown"}, Reason.TOKEN_INACTIVE),
        (NAVIGATION, Reason.SIGN_IN),
        (NAVIGATION | {"cookie": STRANGER}, Reason.SESSION_FORBIDDEN),
        ({"cookie": f"{SESSION}; {SESSION}"}, Reason.CREDENTIAL_AMBIGUOUS),
    ],
)
async def test_each_refusal_and_its_line_bear_the_id(world, lines, sent, reason):
    answer = await world.ask(**sent, **{"x-request-id": "r-1"})
    (line,) = lines()
    assert (line["reason"], line["request_id"], answer.headers["x-request-id"]) == (reason.name, "r-1", "r-1")


async def test_so_does_what_fails_inside(world, lines):
    world.issuer.gate.clear()
    raw = check(authorization="Bearer slow", **{"x-request-id": "r-2"})
    call = asyncio.create_task(world.service.rpc(raw))
    await eventually(lambda: bool(world.issuer.at_once))
    call.cancel()
    answer = Answer(CheckResponse.parse(await call))
    (line,) = lines()
    assert (line["reason"], line["request_id"]) == ("INTERNAL_ERROR", "r-2")
    assert answer.headers["x-request-id"] == json.loads(answer.body)["instance"] == "r-2"
    world.issuer.gate.set()
