"""One readable line for each request, whatever the order in which three programs tell of it."""

import json
from collections.abc import Callable
from itertools import permutations

import pytest

from authz.core.reason import Reason
from authz.local import lines
from authz.local.lines import Story

GATEWAY = {
    "request_id": "1",
    "method": "GET",
    "authority": "shop.localhost:8080",
    "path": "/orders",
    "status": 200,
    "details": "via_upstream",
}
SIDECAR = {"request_id": "1", "details": "via_upstream"}
DIRECT = {"details": "direct_response"}
ALLOWED = {"request_id": "1", "event": "allowed", "reason": "AUTHORIZED", "rule": "default/shop/1"}
DENIED = {"request_id": "1", "event": "denied", "reason": "TOKEN_MISSING", "rule": "default/shop/1"}


class Told(list[str]):
    """A story whose clock stands until `settle`."""

    def __init__(self):
        self.calls: list[Callable[[], None]] = []
        self.story = Story(self.append, lambda _seconds, call: self.calls.append(call))

    def hear(self, part, line):
        self.story.heard(part, line if isinstance(line, str) else json.dumps(line))

    def settle(self):
        for call in self.calls:
            call()


@pytest.mark.parametrize(
    ("seen", "decided"),
    [
        ({"gateway": DIRECT | {"body": Reason.PATH_AMBIGUOUS.text}}, ("gateway", "PATH_AMBIGUOUS")),
        ({"gateway": DIRECT | {"body": "Closed."}}, ("gateway", "Closed.")),
        ({"gateway": DIRECT | {"body": None}}, ("gateway", "its route says so")),
        ({"gateway": {"details": "route_not_found"}}, ("gateway", "no route")),
        ({"gateway": {"details": "ext_authz_error"}}, ("gateway", "the authorizer did not answer")),
        ({}, ("mesh", "allowed")),
        ({"sidecar": {"details": "jwt_authn_access_denied{Jwt_is_expired}"}}, ("sidecar", "Jwt is expired")),
        (
            {"sidecar": {"details": "rbac_access_denied_matched_policy[none]"}},
            ("sidecar", "no policy allows it"),
        ),
        ({"authorizer": ALLOWED}, ("authorizer", "AUTHORIZED (default/shop/1)")),
        ({"authorizer": DENIED}, ("authorizer", "TOKEN_MISSING (default/shop/1)")),
        (
            {"authorizer": DENIED | {"reason": "HOST_UNKNOWN", "rule": ""}},
            ("authorizer", "HOST_UNKNOWN (no rule)"),
        ),
        (
            {"authorizer": ALLOWED, "sidecar": {"details": "rbac_access_denied"}},
            ("sidecar", "rbac_access_denied"),
        ),
        (
            {"authorizer": DENIED, "sidecar": {"details": "ext_authz_denied"}},
            ("authorizer", "TOKEN_MISSING (default/shop/1)"),
        ),
    ],
)
def test_whoever_refused_decided_else_whoever_allowed(seen, decided):
    assert lines.decided({"gateway": GATEWAY, **seen}) == decided


@pytest.mark.parametrize("order", list(permutations(["gateway", "sidecar", "authorizer"])))
def test_the_order_of_the_lines_does_not_matter(order):
    told = Told()
    for part in order:
        told.hear(part, {"gateway": GATEWAY, "sidecar": SIDECAR, "authorizer": ALLOWED}[part])
    told.settle()
    [line] = told
    assert line.split() == [
        *("200", "GET", "shop.localhost:8080/orders"),
        *("authorizer", "AUTHORIZED", "(default/shop/1)"),
    ]


@pytest.mark.parametrize(
    ("part", "line", "said"),
    [
        ("gateway", "[2026-01-01][1][warning][config] update rejected", True),
        ("gateway", "[2026-01-01][1][warning][main] caught SIGTERM", False),
        ("authorizer", {"event": "policy loaded", "level": "info"}, False),
        ("authorizer", {"event": "can not start", "level": "error", "problem": "port taken"}, True),
        ("authorizer", "Traceback (most recent call last):", True),
        ("authorizer", "[]", True),
    ],
)
def test_what_is_about_no_request_is_told_unless_it_is_ordinary(part, line, said):
    told = Told()
    told.hear(part, line)
    assert bool(told) is said


def test_a_problem_is_told_in_its_own_words():
    told = Told()
    told.hear("authorizer", {"event": "can not start", "level": "error", "problem": "port taken"})
    assert told == ["authorizer: port taken"]


def test_requests_that_never_end_are_forgotten():
    told = Told()
    for number in range(lines.OPEN_MAX + 10):
        told.hear("sidecar", SIDECAR | {"request_id": str(number)})
    assert len(told.story._open) == lines.OPEN_MAX


def test_rows_stand_under_their_headings():
    row = lines.render({"gateway": GATEWAY | {"method": "OPTIONS"}, "authorizer": ALLOWED})
    for heading, value in [("method", "OPTIONS"), ("decided by", "authorizer"), ("why", "AUTHORIZED")]:
        assert lines.HEADINGS.index(heading) == row.index(value)
