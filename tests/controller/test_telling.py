"""What an operator sees: the page of metrics, and Events."""

import asyncio
from datetime import UTC, datetime

import pytest

from authz.controller import held, telemetry
from authz.controller.api import Refused
from authz.controller.events import NOTE_MAX_BYTES, WAITING_MAX, Events, event
from authz.controller.status import Disputed, Done, Failed, Obstructed, Unreadable, Waiting
from authz.controller.telemetry import NAMED_MAX, Telemetry
from authz.istio.problem import Problem
from tests.controller.clusters import PUBLIC, apirule
from tests.controller.fakes import FakeApi

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PROBLEM = Problem("spec.service", "Service not found")


@pytest.fixture
def rule():
    document = apirule("a", PUBLIC)
    own = {"uid": "1", "generation": 1, "resourceVersion": "1"}
    return held.rule(document | {"metadata": document["metadata"] | own})


@pytest.mark.parametrize(
    ("verdict", "kind", "reason", "note"),
    [
        (Done(), "Normal", "Programmed", "Reconciled successfully"),
        (Waiting("for b"), "Normal", "Pending", "for b"),
        (Failed("500: no"), "Warning", "ApiServerRefused", "500: no"),
        (Disputed("again"), "Warning", "Disputed", "again"),
        (Unreadable((PROBLEM,)), "Warning", "Invalid", "Service not found"),
        (Obstructed((PROBLEM,)), "Warning", "Obstructed", "Service not found"),
    ],
)
def test_an_event_says_what_has_happened(rule, verdict, kind, reason, note):
    found = event(rule, verdict, NOW)
    assert (found["type"], found["reason"]) == (kind, reason)
    assert note in found["note"]
    assert (found["regarding"]["namespace"], found["regarding"]["name"]) == ("shop", "a")


def test_a_note_is_cut_where_the_api_server_counts_bytes(rule):
    note = event(rule, Waiting("ü" * NOTE_MAX_BYTES), NOW)["note"]
    assert note == "ü" * (NOTE_MAX_BYTES // 2)


class Told(FakeApi):
    """Refuses the first, and keeps the others."""

    def __init__(self):
        super().__init__()
        self.errors = [Refused(403, "no")]
        self.notes = []

    async def create(self, kind, document):  # noqa: ARG002 - as its parent
        self._fail()
        self.notes.append(document["note"])


async def test_an_event_that_is_refused_is_dropped_and_the_oldest_give_way(rule):
    api = Told()
    events = Events(api, lambda: True)
    for number in range(WAITING_MAX + 2):
        events.tell(rule, Waiting(str(number)))
    task = asyncio.create_task(events.run())
    while str(WAITING_MAX + 1) not in api.notes[-1:]:  # noqa: ASYNC110 - nobody says so
        await asyncio.sleep(0)
    task.cancel()
    assert (api.notes[0], len(api.notes)) == ("3", WAITING_MAX - 1)


async def test_events_wait_until_there_is_nothing_else_to_write(rule):
    api = Told()
    events = Events(api, lambda: False)
    events.tell(rule, Done())
    task = asyncio.create_task(events.run())
    await asyncio.sleep(0.01)
    task.cancel()
    assert (len(api.errors), api.notes) == (1, [])


def test_the_page_counts_all_and_names_some_that_are_not_ready():
    counted = Telemetry()
    gauges = {name: {"": 1.0} for name in telemetry.GAUGES}
    counted.show(lambda: gauges, {("apply", "virtualservices", "200"): 3})
    counted.failed("disputed")
    counted.worked(0.1, 0.2)
    for number in range(NAMED_MAX + 5):
        counted.state(f"shop/{number}", "Error")
    counted.state("shop/good", "Ready")
    lines = counted.page().decode().splitlines()
    assert 'authz_apirules{state="Ready"} 1.0' in lines
    assert f'authz_apirules{{state="Error"}} {NAMED_MAX + 5}.0' in lines
    assert len([line for line in lines if line.startswith("authz_apirule_not_ready{")]) == NAMED_MAX
    assert (
        'authz_controller_requests_total{outcome="200",resource="virtualservices",verb="apply"} 3.0' in lines
    )
    assert 'authz_controller_reconcile_errors_total{cause="disputed"} 1.0' in lines
    assert "authz_controller_leads 1.0" in lines
    counted.clear()
    assert b"authz_apirule_not_ready{" not in counted.page()
