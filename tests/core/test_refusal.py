"""What a refused caller sees: a browser, a script, a gRPC client."""

import pytest

from authz.core import path, refusal
from authz.core.cors import Cors
from authz.core.decision import Form
from authz.core.policy import Authorizer, Check, Jwt, Policy, Rule, Session
from authz.core.reason import Reason, Refused, Unavailable
from authz.core.request import Request

NOWHERE = Policy()
SESSION = Session("http://p", prefix="/login")
CORS = Cors(exact=frozenset({"https://app.test"}))


def rule(*accept, cors=CORS) -> Rule:
    return Rule("r", frozenset({"GET"}), path.parse("/*"), (Check(Authorizer("a", accept)),), cors)


SIGNED_IN, TOKENS = rule(Jwt("i"), SESSION), rule(Jwt("i"))
NAVIGATION = {"sec-fetch-mode": "navigate"}
SCRIPT = {"sec-fetch-mode": "cors", "origin": "https://app.test"}
ALLOW_ORIGIN = ("access-control-allow-origin", "https://app.test")
MISSING = Refused(Reason.SESSION_MISSING, sign_in=SESSION)
ENDED = Refused(Reason.SESSION_ENDED, sign_in=SESSION)
FORBIDDEN = Refused(Reason.SESSION_FORBIDDEN)
DOWN = Unavailable("down")


@pytest.mark.parametrize(
    ("sent", "matched", "refused", "reason", "form"),
    [
        (("GET", NAVIGATION), SIGNED_IN, MISSING, Reason.SIGN_IN, Form.NOTHING),
        (("HEAD", NAVIGATION), SIGNED_IN, ENDED, Reason.SIGN_IN, Form.NOTHING),
        (("GET", SCRIPT), SIGNED_IN, MISSING, Reason.SESSION_MISSING, Form.PROBLEM),
        (("POST", NAVIGATION), SIGNED_IN, MISSING, Reason.SESSION_MISSING, Form.PROBLEM),
        (("GET", {}), SIGNED_IN, ENDED, Reason.SESSION_ENDED, Form.PROBLEM),
        (
            ("GET", NAVIGATION | {"upgrade": "websocket"}),
            SIGNED_IN,
            ENDED,
            Reason.SESSION_ENDED,
            Form.PROBLEM,
        ),
        (
            ("POST", {"content-type": "application/grpc"}),
            SIGNED_IN,
            MISSING,
            Reason.SESSION_MISSING,
            Form.GRPC,
        ),
        # Signing in again would lead back here
        (("GET", NAVIGATION), SIGNED_IN, FORBIDDEN, Reason.SESSION_FORBIDDEN, Form.PAGE),
        (("GET", SCRIPT), SIGNED_IN, FORBIDDEN, Reason.SESSION_FORBIDDEN, Form.PROBLEM),
        (("GET", NAVIGATION), SIGNED_IN, DOWN, Reason.SOURCE_UNAVAILABLE, Form.PAGE),
        # Nobody signs in there
        (("GET", NAVIGATION), TOKENS, Refused(Reason.TOKEN_MISSING), Reason.TOKEN_MISSING, Form.PROBLEM),
        (("GET", NAVIGATION), None, Refused(Reason.HOST_UNKNOWN), Reason.HOST_UNKNOWN, Form.PROBLEM),
    ],
)
def test_a_browser_is_sent_to_sign_in_and_everyone_else_is_told(sent, matched, refused, reason, form):
    method, headers = sent
    deny = refusal.answer(NOWHERE, Request(method, "h", "/a", "b=c", headers), matched, refused, ())
    assert (deny.reason, deny.form, deny.rule) == (reason, form, matched)
    locations = [value for name, value in deny.headers if name == "location"]
    assert locations == (["/login/start?rd=%2Fa%3Fb%3Dc"] if reason is Reason.SIGN_IN else [])


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/login/start", Reason.SESSION_MISSING),
        ("/login/", Reason.SESSION_MISSING),
        ("/login", Reason.SIGN_IN),
        ("/loginx", Reason.SIGN_IN),
    ],
)
def test_a_page_of_the_login_leads_to_no_other_login(path, reason):
    request = Request("HEAD", "h", path, headers=NAVIGATION)
    assert refusal.answer(NOWHERE, request, SIGNED_IN, MISSING, ()).reason is reason


@pytest.mark.parametrize(("matched", "expected"), [(SIGNED_IN, True), (rule(SESSION, cors=None), False)])
@pytest.mark.parametrize("failure", [MISSING, DOWN])
def test_a_script_can_read_the_refusal_where_the_rule_has_cors(matched, expected, failure):
    deny = refusal.answer(NOWHERE, Request("GET", "h", "/", headers=SCRIPT), matched, failure, ())
    assert (ALLOW_ORIGIN in deny.headers) is expected


@pytest.mark.parametrize(("failure", "note"), [(DOWN, "down"), (MISSING, "")])
def test_the_log_is_told_which_source_is_down(failure, note):
    assert refusal.answer(NOWHERE, Request("GET", "h", "/"), TOKENS, failure, ()).note == note


def test_cookies_for_the_browser_are_in_every_refusal():
    request = Request("GET", "h", "/", headers=NAVIGATION)
    ended = Refused(Reason.SESSION_ENDED, sign_in=SESSION, cookies=("b",))
    assert refusal.answer(NOWHERE, request, SIGNED_IN, ended, ("a",)).cookies == ("a", "b")
    assert refusal.answer(NOWHERE, request, SIGNED_IN, DOWN, ("a",)).cookies == ("a",)
