"""Metrics and the decision line."""

import asyncio
import gc
import sys
from collections import Counter
from threading import Event

import pytest

from authz.core import path
from authz.core.decision import Allow, Deny
from authz.core.policy import Rule
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server.telemetry import Telemetry
from authz.sources.fetched import REFRESH
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests import idp

RULE = Rule("apps/shop/0", frozenset({"GET"}), path.parse("/*"))
ALLOW = Allow(Reason.AUTHORIZED, RULE, {"x-auth-subject": "alice"})
DENY = Deny(Reason.SOURCE_UNAVAILABLE, RULE, note="GET https://idp: timed out")
SECRET = "s3cret-t0ken"
REQUEST = Request(
    "GET", "shop", "/a", f"token={SECRET}", {"authorization": f"Bearer {SECRET}", "cookie": SECRET}, "r-1"
)


def test_what_a_client_sends_makes_no_label():
    telemetry = Telemetry()
    for number in range(100):
        telemetry.record(Request("GET", f"h{number}", f"/{number}"), Deny(Reason.HOST_UNKNOWN), 0.001)
    assert telemetry.page().decode().count("authz_checks_total{") == 1


def test_checks_in_flight_are_counted_when_somebody_asks():
    telemetry, open_checks = Telemetry(), [3]
    telemetry.under_way(lambda: open_checks[0])
    assert "authz_checks_in_flight 3.0" in telemetry.page().decode()
    open_checks[0] = 0
    assert "authz_checks_in_flight 0.0" in telemetry.page().decode()


async def test_sources_report_their_age():
    now = 100.0
    sources = Sources(Client(transport=idp.transport()), lambda: now)
    telemetry = Telemetry()
    telemetry.watch(sources)
    sources.keep([idp.ACCEPT])
    label = f'authz_source_age_seconds{{kind="jwks",source="{idp.ISSUER}"}}'
    assert f"{label} -1.0" in telemetry.page().decode()
    await sources.warm()
    now += 7
    page = telemetry.page().decode()
    assert f"{label} 7.0" in page
    left = REFRESH.ttl_s + REFRESH.stale_s - 7
    assert f'authz_source_left_seconds{{kind="jwks",source="{idp.ISSUER}"}} {left}' in page
    assert f'authz_source_calls_total{{kind="jwks",outcome="answered",source="{idp.ISSUER}"}} 1.0' in page
    await sources.close()


def test_what_the_transport_refuses_is_counted_by_cause():
    telemetry = Telemetry()
    refused = {"resets": 2}
    telemetry.count(refused)
    refused["pings"] = 1
    page = telemetry.page().decode()
    assert 'authz_h2_refused_total{cause="resets"} 2.0' in page
    assert 'authz_h2_refused_total{cause="pings"} 1.0' in page


def test_a_rule_that_has_gone_is_no_label_any_more():
    telemetry = Telemetry()
    rules = [Rule(name, frozenset({"GET"}), path.parse("/*")) for name in ("a/stays/0", "a/goes/0")]
    for rule in rules:
        telemetry.record(Request("GET", "h", "/"), Deny(Reason.TOKEN_MISSING, rule), 0.001)
    telemetry.record(Request("GET", "h", "/"), Deny(Reason.HOST_UNKNOWN), 0.001)
    telemetry.rules(["a/stays/0"])
    page = telemetry.page().decode()
    counted = {line.partition(" ")[0] for line in page.splitlines() if line.startswith("authz_checks_total")}
    assert counted == {
        'authz_checks_total{reason="TOKEN_MISSING",rule="a/stays/0"}',
        'authz_checks_total{reason="HOST_UNKNOWN",rule=""}',
    }
    assert "authz_policy_rules 1.0" in page


def test_what_is_open_and_what_ends_is_read_when_somebody_asks():
    telemetry = Telemetry()
    left_s = [60.0]
    telemetry.certificate(lambda: left_s[0])
    telemetry.connections(lambda: 2)
    assert "authz_certificate_left_seconds 60.0" in telemetry.page().decode()
    left_s[0] = 59.0
    page = telemetry.page().decode()
    assert "authz_certificate_left_seconds 59.0" in page
    assert "authz_h2_connections 2.0" in page


async def test_while_the_page_is_made_the_loop_goes_on():
    telemetry, going_on = Telemetry(), Event()
    telemetry.under_way(lambda: going_on.wait(5))
    page = asyncio.create_task(telemetry.page_aside())
    await asyncio.sleep(0)
    going_on.set()
    assert "authz_checks_in_flight 1.0" in (await page).decode()


@pytest.fixture
def turns():
    """Threads take turns wherever they can: the collector of garbage lets them, at each few allocations."""
    before, turn = (gc.get_threshold(), sys.getswitchinterval()), lambda *_: sum(range(50))
    gc.callbacks.append(turn)
    gc.set_threshold(50)
    sys.setswitchinterval(1e-6)
    yield
    gc.callbacks.remove(turn)
    gc.set_threshold(*before[0])
    sys.setswitchinterval(before[1])


@pytest.mark.usefixtures("turns")
async def test_what_is_counted_while_the_page_is_made_harms_it_not():
    telemetry, refused = Telemetry(), Counter[str]()
    telemetry.count(refused)

    def count(number: int) -> None:
        telemetry._checks.count(str(number), Reason.TOKEN_MISSING, 0.001)
        refused[str(number)] += 1

    for number in range(10_000):  # it takes long enough that the threads take turns
        count(number)
    page = asyncio.create_task(telemetry.page_aside())
    while not page.done():
        number += 1
        count(number)
        await asyncio.sleep(0)
    assert (await page).count(b"authz_checks_total{") >= 10_000
