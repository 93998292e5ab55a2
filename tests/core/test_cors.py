"""Which origins may read an answer: compared as Envoy's cors filter compares them."""

import time

import pytest

from authz.core import cors
from authz.core.cors import Cors
from authz.core.request import Request

OWN = "https://shop.example.com"
EXACT = Cors(exact=frozenset({OWN}))
PREFIX = Cors(prefixes=("https://shop.", "https://app."))
REGEX = Cors(regexes=(r"https://[a-z]+\.example\.com",))


@pytest.mark.parametrize(
    ("policy", "origin", "admitted"),
    [
        (EXACT, OWN, True),
        (EXACT, "https://shop.example.com:443", False),
        (EXACT, "https://SHOP.example.com", False),
        (EXACT, "null", False),
        (EXACT, "", False),
        (PREFIX, "https://app.example.com", True),
        (PREFIX, "http://app.example.com", False),
        (REGEX, "https://app.example.com", True),
        (REGEX, "https://app.example.com.evil.test", False),
        (REGEX, "x https://app.example.com", False),
        (Cors(exact=frozenset({"*"})), "https://anyone.test", True),
        (Cors(regexes=(".*",)), "https://anyone.test", True),
        (Cors(prefixes=("*",)), "https://anyone.test", True),
        (Cors(), OWN, False),
        # Two header lines, joined by Envoy: it looks at the first alone
        (Cors(regexes=(".*",)), "https://a.test,https://b.test", False),
        (Cors(regexes=(".*",)), "https://a.test\n", False),
        (Cors(regexes=(".*",)), "https://ü.test", False),
        (Cors(regexes=(".*",)), "https://" + "a" * 512, False),
    ],
)
def test_an_origin_is_admitted_if_envoy_would(policy, origin, admitted):
    assert policy.admits(origin) is admitted


def test_no_expression_of_an_author_takes_long():
    began = time.process_time()
    assert not Cors(regexes=("(a*)*b",)).admits("a" * 500)
    assert time.process_time() - began < 1  # a backtracking engine would take longer than there is time


@pytest.mark.parametrize(
    ("policy", "origin", "expected"),
    [
        (None, OWN, []),
        (EXACT, "https://other.test", [("vary", "origin")]),
        (EXACT, OWN, [("vary", "origin"), ("access-control-allow-origin", OWN)]),
        (
            Cors(exact=frozenset({OWN}), credentials=True, exposed=("x-a", "x-b")),
            OWN,
            [
                ("vary", "origin"),
                ("access-control-allow-origin", OWN),
                ("access-control-allow-credentials", "true"),
                ("access-control-expose-headers", "x-a,x-b"),
            ],
        ),
    ],
)
def test_a_refusal_can_be_read_by_whom_the_policy_admits(policy, origin, expected):
    assert [*cors.headers(policy, Request("GET", "h", "/", headers={"origin": origin}))] == expected


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("OPTIONS", {"origin": OWN, "access-control-request-method": "GET"}, True),
        ("OPTIONS", {"origin": OWN}, False),
        ("OPTIONS", {"access-control-request-method": "GET"}, False),
        ("OPTIONS", {"origin": "", "access-control-request-method": "GET"}, False),
        ("GET", {"origin": OWN, "access-control-request-method": "GET"}, False),
    ],
)
def test_a_preflight_names_its_origin_and_what_it_asks_for(method, headers, expected):
    assert cors.is_preflight(Request(method, "h", "/", headers=headers)) is expected
