"""People sign in with a real browser: Chromium, Envoys, the authorizer, oauth2-proxy, Keycloak."""

import time

import pytest

from tests.login.browser import chromium
from tests.login.parts import REFRESH_S, SESSION_TTL_S
from tests.servers import until

pytestmark = pytest.mark.slow

TABS = 20
DEEP = "/deep/link?first=1&second=a%20b&third=%C3%A9"
OVER_S = REFRESH_S + SESSION_TTL_S + 1


@pytest.fixture(scope="module", params=["cookie", "redis"])
def store(request, site):
    """Where sessions are kept."""
    site.restart_proxy(request.getfixturevalue("redis") if request.param == "redis" else "")
    return request.param


@pytest.fixture
def browser(store, tmp_path):  # noqa: ARG001  # one begins where no session is
    with chromium(tmp_path) as opened:
        yield opened


@pytest.fixture
def alice(browser, site):
    browser.open(site.url("notes"))
    browser.sign_in("alice")
    browser.wait_for(lambda: browser.url == site.url("notes"))
    return browser


def test_who_comes_first_signs_in_and_is_back_where_they_wanted_to_go(browser, site, store):
    browser.open(site.url("notes", DEEP))
    browser.wait_for(lambda: browser.is_asked)
    browser.picture(f"keycloak-{store}")
    browser.sign_in("alice")
    browser.wait_for(lambda: browser.url == site.url("notes", DEEP))
    seen = browser.seen
    assert f"{seen['path']}?{seen['query']}" == DEEP
    assert seen["headers"]["x-auth-email"] == "alice@example.com"
    assert seen["headers"]["x-auth-groups"] == "admins,customers"
    assert "session" in browser.cookies
    assert "session" not in seen["headers"].get("cookie", "")


def test_who_is_in_the_wrong_group_gets_a_page_that_says_so_and_no_loop(browser, site, store):
    browser.open(site.url("board", "/panel"))
    browser.sign_in("bob")
    browser.wait_for(lambda: browser.url == site.url("board", "/panel"))
    browser.picture(f"forbidden-{store}")
    assert "not among those whom the rule admits" in browser.text
    browser.driver.find_element("link text", "Sign out").click()
    browser.wait_for(lambda: browser.is_asked)
    browser.sign_in("alice")
    browser.wait_for(lambda: browser.url == site.url("board"))
    assert browser.seen["headers"]["x-auth-email"] == "alice@example.com"


def test_twenty_tabs_at_once_all_arrive(browser, site):
    pages = [site.url("notes", f"/tab/{number}?of={TABS}") for number in range(TABS)]
    browser.open(site.url("notes", "/healthz"))
    for page in pages:
        browser.driver.execute_script("window.open(arguments[0])", page)
    tabs = browser.driver.window_handles[1:]
    for tab in tabs:
        browser.driver.switch_to.window(tab)
        browser.wait_for(lambda: browser.is_asked)
    browser.sign_in("alice")
    for tab in tabs:
        browser.driver.switch_to.window(tab)
        if browser.is_asked:  # Keycloak looks every two seconds whether another tab has signed in
            browser.wait_for(lambda: not browser.is_asked)
        browser.wait_for(lambda: browser.url in pages)
    assert {browser_url(browser, tab) for tab in tabs} == set(pages)


def browser_url(browser, tab):
    browser.driver.switch_to.window(tab)
    return browser.url


def test_a_session_is_renewed_without_anybody_noticing(alice, site):
    before = alice.cookies["session"]
    time.sleep(OVER_S)
    alice.open(site.url("notes", "/later"))
    assert alice.seen["headers"]["x-auth-email"] == "alice@example.com"
    assert alice.cookies["session"] != before
    assert [name for name in alice.cookies if name.startswith("session")] == ["session"]


def test_scripts_of_a_page_whose_session_has_ended_are_told_so(alice, keycloak):
    """And no login is begun for each of them, whose cookies would fill the jar."""
    assert [one["status"] for one in alice.fetch("/api")] == [200]
    keycloak.sign_out("alice")
    time.sleep(OVER_S)
    got = alice.fetch("/api", 30)
    assert {(one["status"], one["kind"]) for one in got} == {(401, "application/problem+json")}
    assert alice.cookies == {}


def test_who_signs_out_is_signed_out_of_keycloak_too(alice, site):
    alice.open(site.url("notes", "/oauth2/sign_out?rd=%2Fhealthz"))
    assert alice.url == site.url("notes", "/healthz")
    assert alice.cookies == {}
    alice.open(site.url("notes"))
    alice.wait_for(lambda: alice.is_asked)


def test_from_a_login_that_is_over_one_link_leads_on(alice, site, store):
    """The back button leads to Keycloak, which sends people on to a callback that was used before."""
    alice.driver.back()
    alice.wait_for(lambda: "/oauth2/callback" in alice.url)
    alice.picture(f"back-{store}")
    alice.driver.find_element("link text", "Go on").click()
    assert alice.url == site.url("notes")
    assert alice.seen["headers"]["x-auth-email"] == "alice@example.com"


def test_who_is_disabled_is_out_within_the_time_of_a_refresh(browser, site, keycloak):
    browser.open(site.url("notes"))
    browser.sign_in("bob")
    browser.wait_for(lambda: browser.url == site.url("notes"))
    keycloak.change("bob", enabled=False)
    try:
        until(lambda: browser.fetch("/api")[0]["status"] == 401)  # the session itself is good for hours
        browser.open(site.url("notes"))
        browser.sign_in("bob")
        browser.wait_for(lambda: "disabled" in browser.text)
    finally:
        keycloak.change("bob", enabled=True)


def test_while_oauth2_proxy_is_down_people_see_a_page_and_scripts_a_problem(alice, site, store):
    site.stop_proxy()
    try:
        time.sleep(SESSION_TTL_S + 0.5)
        assert [one["status"] for one in alice.fetch("/api")] == [503]
        alice.open(site.url("notes", "/down"))
        alice.picture(f"down-{store}")
        assert "503" in alice.text
        assert site.ask("notes", "/healthz").status == 200
    finally:
        site.restart_proxy()


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"accept": "text/html"}),
        ("GET", {"sec_fetch_mode": "cors", "accept": "text/html"}),
        ("GET", {"accept": "application/json"}),
        ("GET", {"x_requested_with": "XMLHttpRequest", "accept": "text/html"}),
        ("GET", {"upgrade": "websocket", "connection": "upgrade", "accept": "text/html"}),
        ("OPTIONS", {"accept": "text/html"}),
    ],
)
def test_only_a_navigation_is_sent_to_sign_in(site, method, headers):
    answer = site.ask("notes", "/", method, **headers)
    assert answer.status in (401, 403, 404)
    assert "location" not in answer.headers


def test_a_navigation_is_sent_to_sign_in_on_the_same_host(site):
    answer = site.ask("notes", "/a?b=c", accept="text/html", sec_fetch_mode="navigate")
    assert (answer.status, answer.headers["location"]) == (302, "/oauth2/start?rd=%2Fa%3Fb%3Dc")
