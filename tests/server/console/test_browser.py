"""The console in a real Chromium, before a real authorizer."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from authz.cli import main
from tests import idp
from tests.login.browser import Browser, chromium
from tests.server.test_files import apirule
from tests.server.test_run import Running
from tests.server.test_service import ask
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow

MARKUP = "/<img src=x onerror=document.title='broken'>"


@pytest.fixture(scope="module")
def authorizer(tmp_path_factory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("console"))
    issuer = idp.ISSUER
    accept = [{"jwt": {"issuer": issuer, "audiences": [idp.AUDIENCE], "jwksUri": "http://127.0.0.1:1/keys"}}]
    one.configure(authorizers=[{"name": "keycloak", "accept": accept}])
    rule = apirule()
    rule["spec"]["rules"] = [  # type: ignore[index]
        {"path": "/public/{**}", "methods": ["GET"], "noAuth": True},
        {"path": "/orders", "methods": ["GET", "POST"], "extAuth": {"authorizers": ["keycloak"]}},
    ]
    one.rules.write_text(yaml.safe_dump(rule))
    one.start()
    wait_until(lambda: "serving" in one.log.read_text())
    yield one
    one.process.terminate()
    one.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def browser(authorizer, tmp_path_factory) -> Iterator[Browser]:
    for path in ("/public/x", "/orders", "/else", MARKUP):
        authorizer.check(ask(path))
    with chromium(tmp_path_factory.mktemp("profile")) as one:
        yield one


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def show(browser: Browser, authorizer: Running, section: str, holds: str) -> str:
    browser.open("about:blank")
    browser.open(f"http://{authorizer.admin}/#{section}")
    browser.wait_for(lambda: holds in browser.text)
    return browser.text


def test_decisions_are_shown_with_their_reasons(browser, authorizer):
    text = show(browser, authorizer, "decisions", "TOKEN_MISSING")
    assert "200 allowed" in text
    assert "RULE_MISSING" in text
    assert "apps/shop/1" in text
    browser.picture("console-decisions")


def test_the_filter_leaves_what_is_looked_for(browser, authorizer):
    show(browser, authorizer, "decisions", "TOKEN_MISSING")
    browser.driver.find_element(By.ID, "filter").send_keys("token_missing /orders")
    browser.wait_for(lambda: "PUBLIC" not in browser.text)
    assert "TOKEN_MISSING" in browser.text


def test_what_is_being_copied_or_read_stays_while_others_come(browser, authorizer):
    show(browser, authorizer, "decisions", "TOKEN_MISSING")
    button = browser.driver.find_element(By.CSS_SELECTOR, "tr.row button")
    key = button.get_attribute("data-key")
    button.send_keys(Keys.ENTER)
    browser.wait_for(lambda: "request id" in browser.text or "took" in browser.text)
    authorizer.check(ask("/new"))
    browser.wait_for(lambda: "/new" in browser.text)
    assert browser.driver.switch_to.active_element.get_attribute("data-key") == key
    assert "took" in browser.text, "what was open is open"
    browser.driver.execute_script("getSelection().selectAllChildren(document.querySelector('dl'))")
    authorizer.check(ask("/newer"))
    time.sleep(2.5)  # longer than the page waits before it looks again
    assert browser.driver.execute_script("return getSelection().toString()")
    browser.driver.execute_script("getSelection().removeAllRanges()")
    browser.wait_for(lambda: "/newer" in browser.text)


def test_who_sees_nothing_is_told_what_opens_and_whether_it_is_open(browser, authorizer):
    """A table's row may not say it: ARIA 1.2 has aria-expanded for the rows of a treegrid alone."""
    show(browser, authorizer, "decisions", "TOKEN_MISSING")
    button = browser.driver.find_element(By.CSS_SELECTOR, "tr.row button")
    assert " details of GET shop.example.com/" in button.accessible_name
    for state in ("false", "true", "false"):
        button = browser.driver.find_element(By.CSS_SELECTOR, "tr.row button")
        assert button.get_attribute("aria-expanded") == state
        button.send_keys(Keys.SPACE)
    assert not browser.driver.find_elements(By.CSS_SELECTOR, "tr[aria-expanded], tr[tabindex]")


def test_what_a_client_sends_is_text(browser, authorizer):
    assert "onerror" in show(browser, authorizer, "decisions", "onerror")
    assert browser.driver.title == "authz: why?"
    assert browser.driver.find_elements(By.CSS_SELECTOR, "td img") == []


def test_the_routes_are_shown_in_order(browser, authorizer):
    text = show(browser, authorizer, "routes", "shop.example.com")
    assert text.index("/public/") < text.index("/orders")
    assert "everyone" in text
    assert "keycloak" in text
    browser.picture("console-routes")


def test_a_token_is_decoded_here_and_a_question_answered(browser, authorizer):
    show(browser, authorizer, "try", "Ask")
    token = idp.sign(idp.claims(exp=int(time.time()) + 600))
    browser.driver.find_element(By.ID, "url").send_keys("https://shop.example.com/orders")
    browser.driver.find_element(By.ID, "token").send_keys(token)
    browser.wait_for(lambda: "alice" in browser.text)
    assert "read write" in browser.text
    browser.driver.find_element(By.CSS_SELECTOR, "#question button").click()
    browser.wait_for(lambda: "SOURCE_UNAVAILABLE" in browser.text)
    assert "<- decides" in browser.text
    assert token not in authorizer.log.read_text()
    browser.picture("console-try")


def test_a_token_whose_time_is_none_is_taken_apart_all_the_same(browser, authorizer):
    show(browser, authorizer, "try", "Ask")
    browser.driver.find_element(By.ID, "token").send_keys(idp.sign(idp.claims(exp=10**20)))
    browser.wait_for(lambda: "The token says" in browser.text)
    assert "100000000000000000000, which is no time" in browser.text


def test_a_source_that_fails_says_so(browser, authorizer):
    text = show(browser, authorizer, "sources", "jwks")
    assert "none" in text
    assert "nothing" in text, "it is what serves without it"
    assert "fails" in text
    width = browser.driver.find_element(By.CSS_SELECTOR, ".sources td").size["width"]
    assert width > 200, "what is said of a failure leaves room for who it is"
    browser.picture("console-sources")


def test_nothing_is_loaded_from_elsewhere_and_no_script_fails(browser, authorizer):
    show(browser, authorizer, "decisions", "TOKEN_MISSING")
    script = "return performance.getEntriesByType('resource').map(one => new URL(one.name).host)"
    assert set(browser.driver.execute_script(script)) == {authorizer.admin}
    assert [entry for entry in browser.driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_it_is_dark_where_that_is_preferred(browser, authorizer):
    colours = []
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        show(browser, authorizer, "decisions", "TOKEN_MISSING")
        script = "return getComputedStyle(document.body).backgroundColor"
        colours.append(browser.driver.execute_script(script))
        browser.picture(f"console-{scheme}")
    assert colours[0] != colours[1]


@pytest.mark.parametrize(
    ("section", "holds"),
    [("decisions", "TOKEN_MISSING"), ("routes", "/public"), ("sources", "jwks"), ("try", "Ask")],
)
def test_it_is_read_in_a_narrow_window_too(browser, authorizer, section, holds):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        show(browser, authorizer, section, holds)
        browser.picture(f"console-narrow-{section}")
        wide = (
            "return [...document.querySelectorAll('main *')]"
            ".filter(e => e.getBoundingClientRect().right > innerWidth)"
        )
        tall = "return Math.max(0, ...[...document.querySelectorAll('tr')].map(e => e.offsetHeight))"
        assert browser.driver.execute_script(wide) == []
        assert browser.driver.execute_script(tall) < 200
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_command_finds_what_was_decided(authorizer):
    authorizer.check(ask("/orders", **{"x-request-id": "a-1"}))
    wanted = ["explain", "--admin", authorizer.admin, "--request"]
    found = CliRunner().invoke(main, [*wanted, "a-1"])
    assert found.exit_code == 0
    assert "401 TOKEN_MISSING" in found.output
    assert "rule apps/shop/1" in found.output
    lost = CliRunner().invoke(main, [*wanted, "a-2"])
    assert lost.exit_code == 1
    assert "not among the last 500 refusals" in lost.output


def test_a_command_finds_it_by_the_answer(authorizer):
    authorizer.check(ask("/orders", **{"x-request-id": "a-3"}))
    arguments = ["explain", "--admin", f"http://{authorizer.admin}", "--answer", "-"]
    found = CliRunner().invoke(main, arguments, input='{"status": 401, "instance": "a-3"}')
    assert "401 TOKEN_MISSING" in found.output
