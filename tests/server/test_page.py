"""The page for a person: what it says, and that it holds nothing of the request."""

import pytest

from authz.core import path
from authz.core.decision import Deny, Form
from authz.core.policy import Authorizer, Check, Rule, Session
from authz.core.reason import Reason
from authz.server import page

RULE = Rule(
    "r",
    frozenset({"GET"}),
    path.parse("/*"),
    (Check(Authorizer("a", (Session("http://p", "s", "/login"),))),),
)


@pytest.mark.parametrize(
    ("reason", "title", "advice"),
    [
        (Reason.SESSION_FORBIDDEN, "You may not open this page", 'href="/login/sign_out?rd=%2F"'),
        (Reason.SOURCE_UNAVAILABLE, "This does not work right now", "Try again"),
        (Reason.TOKEN_EXPIRED, "You are not signed in", ""),
        (Reason.CREDENTIAL_AMBIGUOUS, "This request can not be read", ""),
    ],
)
def test_it_says_what_happened_and_what_can_be_done(reason, title, advice):
    text = page.render(Deny(reason, RULE, form=Form.PAGE), "r-1")
    assert f"<h1>{title}</h1>" in text
    assert reason.text in text
    assert advice in text
    assert f"{reason.status} {reason.name} &middot; request r-1" in text


def test_without_a_rule_there_is_nowhere_to_sign_out():
    assert "sign_out" not in page.render(Deny(Reason.SESSION_FORBIDDEN), "")


def test_it_loads_nothing_and_runs_nothing():
    headers = dict(page.HEADERS)
    assert "default-src 'none'" in headers["content-security-policy"]
    text = page.render(Deny(Reason.SESSION_FORBIDDEN, RULE), "")
    assert not [word for word in ("<script", "src=", "http://", "https://", "@import") if word in text]
