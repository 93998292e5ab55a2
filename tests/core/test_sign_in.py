"""Who is sent to sign in, and where it comes back to: never to another host."""

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import ada_url
import pytest

from authz.core import sign_in
from authz.core.claims import Claims
from authz.core.identity import Caller
from authz.core.policy import Session
from authz.core.reason import Reason, Refused
from authz.core.request import Request

SESSION = Session("http://p", prefix="/oauth2")
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
NAVIGATES = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "none"}


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("GET", NAVIGATES, True),
        ("HEAD", NAVIGATES, True),
        ("GET", NAVIGATES | {"accept": "application/json"}, True),
        ("GET", {"accept": BROWSER}, True),
        ("GET", {"accept": "text/html"}, True),
        ("GET", {"accept": "TEXT/HTML;level=1; Q=0.9, image/png;q=0.9"}, True),
        ("GET", {"accept": "text/html, application/json;q=0.9"}, True),
        ("GET", {"accept": "application/xhtml+xml"}, True),
        # Scripts, and whatever a page loads
        ("GET", {"sec-fetch-mode": "cors", "accept": BROWSER}, False),
        ("GET", {"sec-fetch-mode": "no-cors", "accept": BROWSER}, False),
        ("GET", {"sec-fetch-mode": "same-origin", "accept": BROWSER}, False),
        ("GET", {"sec-fetch-mode": "websocket", "accept": BROWSER}, False),
        ("GET", {"sec-fetch-mode": "navigate,cors", "accept": BROWSER}, False),
        ("GET", {"sec-fetch-mode": "Navigate", "accept": BROWSER}, False),
        ("GET", {"sec-fetch-site": "same-origin", "accept": BROWSER}, False),
        ("GET", {"accept": BROWSER, "x-requested-with": "XMLHttpRequest"}, False),
        # Programs
        ("GET", {}, False),
        ("GET", {"accept": ""}, False),
        ("GET", {"accept": "*/*"}, False),
        ("GET", {"accept": "text/*"}, False),
        ("GET", {"accept": "application/json"}, False),
        ("GET", {"accept": "application/json, text/html"}, False),
        ("GET", {"accept": "application/problem+json, text/html"}, False),
        ("GET", {"accept": "text/html;q=0.5, application/json"}, False),
        ("GET", {"accept": "text/html;q=0.5, image/png"}, False),
        ("GET", {"accept": "text/html;q=0"}, False),
        ("GET", {"accept": ",;q=x,;;"}, False),
        ("GET", {"accept": "text/html" + "," * 1_015}, True),
        ("GET", {"accept": "text/html" + "," * 1_016}, False),
        # Other requests
        ("POST", NAVIGATES, False),
        ("PUT", NAVIGATES, False),
        ("OPTIONS", NAVIGATES, False),
        ("get", NAVIGATES, False),
        ("GET", NAVIGATES | {"upgrade": "websocket"}, False),
        ("GET", NAVIGATES | {"content-type": "application/grpc"}, False),
    ],
)
def test_only_a_navigation_is_one(method, headers, expected):
    assert sign_in.navigates(Request(method, "h", "/", headers=headers)) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("application/grpc", True),
        ("application/grpc+proto", True),
        ("application/grpc;x=y", True),
        ("application/grpc-web+proto", False),
        ("application/grpcx", False),
        ("application/json", False),
    ],
)
def test_grpc_is_what_envoy_takes_for_it(kind, expected):
    assert sign_in.is_grpc(Request("POST", "h", "/", headers={"content-type": kind})) is expected


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/", "", "/"),
        ("/orders", "", "/orders"),
        ("/orders/", "a=b&c=%20d", "/orders/?a=b&c=%20d"),
        ("/a.b/~c/(d)", "x", "/a.b/~c/(d)?x"),
        ("/%E2%9C%93/a%20b", "", "/%E2%9C%93/a%20b"),
        ("/a", "next=/b/c", "/a?next=%2Fb%2Fc"),
        ("/a", "next=https://x.test/", "/a?next=https:%2F%2Fx.test%2F"),
        ("/a", "b?c", "/a?b?c"),
        ("/.well-known/x", "", "/.well-known/x"),
        # A query that can not be kept is left out, a path leads to the start
        ("/a", "b=\\", "/a"),
        ("/a", "b=%2", "/a"),
        ("/a", "b c", "/a"),
        ("/a", "b#c", "/a"),
        ("/a", "ü", "/a"),
        ("/a", "x" * 2_048, "/a"),
        ("/" + "a" * 2_048, "b", "/"),
        ("", "", "/"),
        ("a", "", "/"),
    ],
)
def test_a_browser_comes_back_to_where_it_was(path, query, expected):
    assert sign_in.target(path, query) == expected


EVIL = "evil.test"
# What has opened redirects elsewhere: an authority behind what is no path, or becomes none when it is read.
STEMS = json.loads((Path(__file__).parent / "targets.json").read_text())
TARGETS = [stem + EVIL for stem in STEMS] + [f"{stem}{EVIL}/%2f.." for stem in STEMS]
BASE = "https://shop.example.com/oauth2/callback?code=x"
# What oauth2-proxy refuses to return to: two slashes with nothing, white space or dots between them.
REFUSED_BY_OAUTH2_PROXY = re.compile(r"[/\\](?:[\s\v]*|\.{1,2})[/\\]").search


def readings(target: str):
    """What one reader or another may make of it: as it stands, and decoded once, twice, three times."""
    for _ in range(4):
        yield target
        target = unquote(target)


def test_there_are_enough_of_them():
    assert len(set(STEMS)) >= 150


def asked():
    """As a path, with a query and without, as a query, and as both."""
    for text in TARGETS:
        yield "/a", text
        yield text, text
        for whole in (text, f"{text}?a=b"):
            path, _, query = whole.partition("?")
            yield path, query


def test_no_target_leads_to_another_host_however_it_is_read():
    """Each as WHATWG's parser resolves it, which is what browsers do."""
    for path, query in asked():
        target = sign_in.target(path, query)
        assert target.isascii(), (path, query)
        assert target.startswith("/"), (path, query)
        assert not REFUSED_BY_OAUTH2_PROXY(target), (path, query)
        for reading in readings(target):
            origin = ada_url.URL(reading.partition("?")[0], BASE).origin
            assert origin == "https://shop.example.com", (path, query, reading)


def test_what_is_sent_is_read_as_one_parameter_of_a_page_of_the_same_host():
    for text in TARGETS:
        for request in (
            Request("GET", "h", text),
            Request("GET", "h", "/a", text),
            Request("GET", "h", text, text),
        ):
            location = sign_in.start(SESSION, request)
            parsed = urlsplit(location)
            assert (parsed.scheme, parsed.netloc, parsed.path) == ("", "", "/oauth2/start"), request
            assert parse_qs(parsed.query) == {"rd": [sign_in.target(request.path, request.query)]}, request
            assert ada_url.URL(location, BASE).origin == "https://shop.example.com", request


@pytest.mark.parametrize(
    ("host", "proto", "expected"),
    [
        ("shop.example.com", "https", ("https", "shop.example.com")),
        ("Shop.example.com:8443", "http", ("http", "Shop.example.com:8443")),
        ("h", "ftp", ("https", "h")),
        ("h", "http,https", ("https", "h")),
        ("h", "", ("https", "h")),
        ("a,b", "https", None),
        ("a b", "https", None),
        ("a\n", "https", None),
        ("ü", "https", None),
        ("user@h", "https", None),
        ("h:", "https", None),
        ("", "https", None),
    ],
)
def test_oauth2_proxy_is_told_a_host_that_can_be_one(host, proto, expected):
    request = Request("GET", host, "/", headers={"x-forwarded-proto": proto})
    if expected:
        assert sign_in.origin(request) == expected
        return
    with pytest.raises(Refused) as refused:
        sign_in.origin(request)
    assert refused.value.reason is Reason.REQUEST_INVALID


def test_a_session_that_has_ended_can_be_begun_anew_and_one_of_a_stranger_can_not():
    signed_in = Caller(Claims(frozenset(), 0, 0, {}))
    assert sign_in.caller(signed_in, SESSION, ("c",)) == (signed_in, ("c",))
    for reason, there in [(Reason.SESSION_ENDED, SESSION), (Reason.SESSION_FORBIDDEN, None)]:
        with pytest.raises(Refused) as refused:
            sign_in.caller(reason, SESSION, ("c",))
        assert (refused.value.reason, refused.value.sign_in, refused.value.cookies) == (reason, there, ("c",))
