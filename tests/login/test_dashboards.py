"""Dashboards as the chart puts them behind the login, in a real browser."""

import httpx
import jwt
import pytest

from authz.local.ports import LOOPBACK
from tests.login.browser import chromium
from tests.login.dashboards import ISSUER

pytestmark = pytest.mark.slow


@pytest.fixture
def browser(site, tmp_path):
    site.restart_proxy()
    with chromium(tmp_path) as opened:
        yield opened


def test_the_real_prometheus_is_seen_by_who_has_signed_in_and_by_nobody_else(browser, site):
    refused = site.ask("prometheus", "/api/v1/query?query=1", accept="*/*")
    assert (refused.status, "SESSION_MISSING" in refused.body) == (401, True)
    browser.open(site.url("prometheus"))
    browser.sign_in("alice")
    browser.wait_for(lambda: browser.url.startswith(site.url("prometheus")) and "Prometheus" in browser.text)
    browser.picture("prometheus")
    [answer] = browser.fetch("/api/v1/query?query=1")
    assert (answer["status"], answer["kind"]) == (200, "application/json")


def test_who_is_in_the_wrong_group_sees_nothing_of_it(browser, site):
    browser.open(site.url("prometheus"))
    browser.sign_in("bob")
    browser.wait_for(lambda: "not among those whom the rule admits" in browser.text)
    browser.picture("prometheus-forbidden")
    cookie = f"session={browser.cookies['session']}"
    assert site.ask("prometheus", "/api/v1/query?query=1", cookie=cookie).status == 403


def test_grafana_is_told_who_it_is_in_a_token_that_it_would_believe(browser, site):
    """Its documented contract: signed by a key of the set, `iss` and `aud` as expected, and a `sub`."""
    browser.open(site.url("grafana"))
    browser.sign_in("alice")
    browser.wait_for(lambda: browser.url == site.url("grafana"))
    token = browser.seen["headers"]["x-auth-identity"]
    keys = httpx.get(f"http://{LOOPBACK}:{site.laptop.ports.authorizer}/.well-known/jwks.json").json()
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    told = jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        issuer=ISSUER,
        audience="grafana",
        options={"require": ["sub", "exp"]},
    )
    assert told["email"] == "alice@example.com"
    assert "admins" in told["groups"]
    assert "session" not in browser.seen["headers"].get("cookie", "")


def test_a_token_that_a_client_brings_along_reaches_nobody(site):
    sent = {"x_auth_identity": "forged", "accept": "application/json"}
    assert site.ask("grafana", "/", **sent).status == 401
