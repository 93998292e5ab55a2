"""What a client says of itself changes neither who it is nor where a login leads: the real parts hold it."""

import json
from urllib.parse import parse_qs, quote, urlsplit

import ada_url
import pytest

from tests.core.test_sign_in import TARGETS
from tests.migrate.ory import HYDRA_CLIENT

pytestmark = pytest.mark.slow

ELSEWHERE = "evil.test"


def led_to(answer):
    """The page to come back to, as oauth2-proxy has the identity provider keep it."""
    [state] = parse_qs(urlsplit(answer.headers["location"]).query)["state"]
    return state.partition(":")[2]


def resolved(site, target):
    """As browsers do: they hold to WHATWG's parser."""
    return ada_url.URL(target, base=site.url("notes", "/oauth2/callback")).host


def test_a_login_returns_to_no_other_host(site):
    here = urlsplit(site.url("notes")).netloc
    for target in TARGETS:
        answer = site.ask("notes", f"/oauth2/start?rd={quote(target, safe='')}")
        assert answer.status == 302, target
        assert resolved(site, led_to(answer)) == here, target


def test_signing_out_leads_to_no_other_host(site):
    here = urlsplit(site.url("notes")).netloc
    for target in TARGETS:
        answer = site.ask("notes", f"/oauth2/sign_out?rd={quote(target, safe='')}")
        assert answer.status in (302, 502), target  # Envoy takes no control characters from oauth2-proxy
        assert answer.status == 502 or resolved(site, answer.headers["location"]) == here, target


@pytest.mark.parametrize(
    "headers",
    [
        {"x-forwarded-host": ELSEWHERE},
        {"x-forwarded-uri": f"//{ELSEWHERE}/"},
        {"x-auth-request-redirect": f"https://{ELSEWHERE}/"},
        {"x-forwarded-proto": "https"},
        {"forwarded": f"host={ELSEWHERE};proto=https"},
        {"x-original-url": f"//{ELSEWHERE}/"},
        {"x-forwarded-for": "127.0.0.1", "x-envoy-external-address": "127.0.0.1"},
        {"user-agent": "GoogleHC/1.0"},
        {"x_forwarded_host": ELSEWHERE},
    ],
)
def test_a_login_begins_alike_whatever_a_client_says_of_itself(site, headers):
    plain = site.ask("notes", "/oauth2/start?rd=%2Fa")
    told = site.ask("notes", "/oauth2/start?rd=%2Fa", **headers)
    asked, again = (parse_qs(urlsplit(answer.headers["location"]).query) for answer in (plain, told))
    assert again["redirect_uri"] == asked["redirect_uri"] == [site.url("notes", "/oauth2/callback")]
    assert led_to(told) == led_to(plain) == "/a"
    assert (again["code_challenge_method"], again["response_type"]) == (["S256"], ["code"])


@pytest.mark.parametrize("host", ["opaque", "keycloak"])
@pytest.mark.parametrize("page", ["start", "callback", "sign_out", "userinfo", "auth", "static/x"])
def test_hosts_where_nobody_signs_in_have_no_pages_for_it(site, host, page):
    answer = site.ask(host, f"/oauth2/{page}")
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("host", ["notes", "board"])
def test_only_the_authorizer_asks_about_sessions(site, host, cookie):
    """What a workload answers at this path is its own affair."""
    assert site.ask(host, "/oauth2/auth").status == 401
    assert site.ask(host, "/oauth2/auth", cookie=cookie).document["path"] == "/oauth2/auth"


def test_a_session_is_no_way_to_say_who_one_is(site, cookie):
    said = dict.fromkeys(("x-auth-subject", "x_auth_subject", "X-Auth-Groups", "x-auth_email"), "root")
    answer = site.ask("notes", "/", cookie=f"a=1; {cookie}; b=2", **said)
    seen = answer.document["headers"]
    assert (seen["x-auth-email"], seen["x-auth-groups"]) == ("alice@example.com", "admins,customers")
    assert seen["cookie"] == "a=1; b=2"
    assert "root" not in json.dumps(seen)


def test_public_pages_of_a_host_with_a_login_are_told_of_no_session(site, cookie):
    seen = site.ask("notes", "/healthz", cookie=f"a=1; {cookie}; session_jqYtV8p__csrf=x").document["headers"]
    assert seen["cookie"] == "a=1"


@pytest.mark.parametrize(
    "cookies",
    [
        "session=made-up",
        "{real}; {real}",
        "{real}; session=other",
        "session=other; {real}",
        "a=1, {real}",
        "session; {real}x",
    ],
)
def test_what_is_no_session_or_more_than_one_passes_nobody(site, cookie, cookies):
    answer = site.ask("notes", "/", cookie=cookies.format(real=cookie))
    assert answer.status in (400, 401)


def test_where_both_are_there_the_token_decides(site, cookie, hydra):
    """`everyone` accepts tokens of Keycloak's before sessions: a bad token is not made good by a cookie."""
    answer = site.ask("notes", "/", cookie=cookie, authorization=f"Bearer {hydra.token()}")
    assert answer.status == 401
    assert HYDRA_CLIENT[1] not in answer.body
