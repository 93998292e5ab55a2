"""The line of a decision: which are written, what they hold, and how many there are in a flood."""

import json

import pytest

from authz.core import path
from authz.core.decision import Allow, Answer, Deny
from authz.core.policy import Rule
from authz.core.reason import Reason
from authz.core.request import Request
from authz.observed import Log
from authz.server.decision_log import DecisionLog
from authz.server.rate import BURST_S
from authz.server.telemetry import Telemetry, configure_logging

RULE = Rule("apps/shop/0", frozenset({"GET"}), path.parse("/*"))
ALLOW = Allow(Reason.AUTHORIZED, RULE, {"x-auth-subject": "alice"})
ANSWER = Answer(Reason.RESOURCE_DESCRIBED, "{}")
DENY = Deny(Reason.SOURCE_UNAVAILABLE, RULE, note="GET https://idp: timed out")
SECRET = "s3cret-t0ken"
REQUEST = Request(
    "GET", "shop", "/a", f"token={SECRET}", {"authorization": f"Bearer {SECRET}", "cookie": SECRET}, "r-1"
)


class World:
    """A clock turned by hand and dice that fall as they are told."""

    def __init__(self, **settings) -> None:
        self.now = 100.0
        self.dice = 0.0
        self.log = DecisionLog(Log.model_validate(settings), lambda: self.now, lambda: self.dice)
        self.telemetry = Telemetry(self.log)

    def decide(self, decision, times=1, request=REQUEST) -> None:
        for _ in range(times):
            self.telemetry.record(request, decision, 0.0015)


@pytest.fixture
def lines(capsys):
    configure_logging()
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("decisions", "expected"),
    [("all", ["allowed", "allowed", "denied"]), ("denied", ["denied"]), ("none", [])],
)
def test_the_setting_says_which_decisions_are_logged(lines, decisions, expected):
    world = World(decisions=decisions)
    for decision in (ALLOW, ANSWER, DENY):
        world.decide(decision)
    assert [line["event"] for line in lines()] == expected


def test_a_line_says_who_what_and_why(lines):
    World(decisions="all").decide(DENY)
    (line,) = lines()
    line.pop("timestamp")
    assert line == {
        "event": "denied",
        "level": "info",
        "request_id": "r-1",
        "method": "GET",
        "host": "shop",
        "path": "/a",
        "rule": "apps/shop/0",
        "reason": "SOURCE_UNAVAILABLE",
        "status": 503,
        "ms": 1.5,
        "note": "GET https://idp: timed out",
    }


def test_a_line_names_the_trace_that_the_request_belongs_to(lines):
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-00"}
    World().decide(DENY, request=Request("GET", "shop", "/a", "", headers))
    (line,) = lines()
    assert line["trace_id"] == trace_id


def test_no_credential_reaches_the_log(lines):
    world = World(decisions="all")
    world.decide(ALLOW)
    world.decide(DENY)
    assert SECRET not in json.dumps(lines())


def test_a_line_is_one_line_and_short(lines):
    nasty = Request("G\nET" * 1_000, "h\r\n" * 1_000, '/\n{"event":"allowed"}' + "a" * 10_000)
    World().decide(DENY, request=nasty)
    (line,) = lines()
    assert {len(line[name]) for name in ("method", "host", "path")} == {256}


def test_a_flood_of_denials_is_so_many_lines_and_a_count(lines):
    world = World(deniedPerSecond=2)
    world.decide(DENY, times=1_000)
    at_once = 2 * BURST_S
    assert [line.get("left_out", 0) for line in lines()] == [0] * at_once
    world.now += 1
    world.decide(DENY, times=1_000)
    assert [line.get("left_out", 0) for line in lines()] == [1_000 - at_once, 0]


def test_after_a_quiet_hour_no_more_lines_are_saved_than_a_burst(lines):
    world = World(deniedPerSecond=2)
    world.now += 3_600
    world.decide(DENY, times=1_000)
    assert len(lines()) == 2 * BURST_S


def test_a_flood_of_denials_leaves_out_no_allowance(lines):
    world = World(decisions="all", deniedPerSecond=2)
    world.decide(DENY, times=1_000)
    lines()
    world.decide(ALLOW, times=100)
    assert len(lines()) == 100


@pytest.mark.parametrize(("dice", "written"), [(0.0, 1), (0.0999, 1), (0.1, 0), (0.99, 0)])
def test_of_allowances_one_in_so_many_is_logged_and_of_denials_each(lines, dice, written):
    world = World(decisions="all", allowedOneIn=10)
    world.dice = dice
    world.decide(ALLOW)
    world.decide(DENY)
    assert [line["event"] for line in lines()] == ["allowed"] * written + ["denied"]


def test_settings_change_while_it_runs(lines):
    world = World()
    world.decide(ALLOW)
    world.log.configure(Log(decisions="all"))
    world.decide(ALLOW)
    assert len(lines()) == 1
    world.log.configure(Log.model_validate({"deniedPerSecond": 1}))
    world.decide(DENY, times=1_000)
    assert len(lines()) == BURST_S
