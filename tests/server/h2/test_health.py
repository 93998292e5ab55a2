"""Whom the health service tells, and how often."""

import pytest
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from authz.server.h2 import grpc
from authz.server.h2.health import Health

SERVING, NOT_SERVING, UNKNOWN = (
    HealthCheckResponse.SERVING,
    HealthCheckResponse.NOT_SERVING,
    HealthCheckResponse.SERVICE_UNKNOWN,
)
ASKED, STRANGE = (HealthCheckRequest(service=name).SerializeToString() for name in ("authz", "strange"))


def state(raw):
    return HealthCheckResponse.FromString(raw).status


def test_who_watches_is_told_the_news_and_nothing_once_it_has_left():
    health = Health(["authz"])
    told: list[bytes] = []
    strange: list[bytes] = []
    tell = told.append
    assert state(health.watch(ASKED, tell)) == NOT_SERVING
    assert state(health.watch(STRANGE, strange.append)) == UNKNOWN
    for ready in (True, True, False):
        health.set(ready=ready)
    assert list(map(state, told)) == [SERVING, NOT_SERVING]
    health.leave(tell)
    health.set(ready=True)
    assert (len(told), strange) == (2, [])
    assert state(health.check(ASKED)) == SERVING


@pytest.mark.parametrize(("raw", "reply"), [(STRANGE, grpc.UNKNOWN_SERVICE), (b"\xff", grpc.NO_REQUEST)])
def test_what_is_no_question_gets_no_answer(raw, reply):
    with pytest.raises(grpc.Refusal) as refusal:
        Health(["authz"]).check(raw)
    assert refusal.value.reply is reply
