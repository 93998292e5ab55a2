"""Envoy's messages: ours against envoy-data-plane's, both ways."""

import json

import pytest
from envoy_data_plane.envoy.config.core.v3 import HeaderMap, HeaderValue
from envoy_data_plane.envoy.service.auth.v3 import (
    AttributeContext,
    AttributeContextHttpRequest,
    AttributeContextPeer,
    AttributeContextRequest,
    CheckRequest,
    CheckResponse,
)
from google.protobuf.message import DecodeError

from authz.core import path
from authz.core.decision import Allow, Answer, Deny, Form
from authz.core.policy import Authorizer, Check, Requirement, Rule
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server import wire

RULE = Rule("apps/shop/0", frozenset({"GET"}), path.parse("/*"))
READERS = (Requirement(frozenset({"read", "list"})), Requirement(frozenset({"admin"})))
READING = Rule("r", frozenset({"GET"}), path.parse("/*"), (Check(Authorizer("a"), READERS),))


def encoded(**http: object) -> bytes:
    """A CheckRequest as Envoy sends it, with fields around that we do not read."""
    request = AttributeContextRequest(http=AttributeContextHttpRequest(**http))  # type: ignore[arg-type]
    source = AttributeContextPeer(principal="spiffe://cluster.local/ns/a/sa/b", service="s")
    extensions = {"unknown": "value"}
    return bytes(CheckRequest(AttributeContext(source, request=request, context_extensions=extensions)))


@pytest.mark.parametrize(
    ("http", "expected"),
    [
        (
            {"method": "GET", "host": "h:80", "path": "/a?b=c", "id": "7", "protocol": "HTTP/2", "body": "x"},
            Request("GET", "h:80", "/a", "b=c"),
        ),
        ({"path": "/a?b?c"}, Request("", "", "/a", "b?c")),
        ({"path": "/a", "query": "x=1"}, Request("", "", "/a")),
        ({"headers": {"x-request-id": "r-1", "a": "b"}}, Request("", "", "", "", {}, "r-1")),
        ({"headers": {"x-request-id": "r\r\nx: y"}}, Request("", "", "")),
        ({"headers": {"x-request-id": "a" * 129}}, Request("", "", "")),
        ({}, Request("", "", "")),
    ],
)
def test_a_check_request_is_read(http, expected):
    request = wire.decode(encoded(**http))
    assert (request.method, request.host, request.path, request.query, request.id) == (
        expected.method,
        expected.host,
        expected.path,
        expected.query,
        expected.id,
    )
    assert request.headers == http.get("headers", {})


def test_raw_headers_are_joined_as_envoy_joins_them():
    headers = [HeaderValue("A", "1"), HeaderValue("a", raw_value=b"2\xff"), HeaderValue("b", "3")]
    request = wire.decode(encoded(header_map=HeaderMap(headers)))
    assert request.headers == {"a": "1,2\ufffd", "b": "3"}


def test_an_empty_message_is_an_empty_request():
    assert wire.decode(b"") == Request("", "", "")


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\x0a\xff\xff", encoded(path="/a")[:-1], b'\n\x05"\x03\x12\x01\x12']
)
def test_what_is_no_check_request_is_an_error(raw):
    with pytest.raises(DecodeError):
        wire.decode(raw)


def test_an_allowance_overwrites_and_removes():
    allow = Allow(Reason.AUTHORIZED, RULE, {"x-auth-subject": "Zoë"}, ("x-auth-email",))
    response = CheckResponse.parse(wire.encode(allow, "r-1"))
    assert response.status is not None
    assert response.ok_response is not None
    assert (response.status.code, response.denied_response) == (0, None)
    (option,) = response.ok_response.headers
    assert option.header is not None
    assert (option.header.key, option.header.value) == ("x-auth-subject", "Zoë")
    assert (option.append, option.append_action.name) == (False, "OVERWRITE_IF_EXISTS_OR_ADD")
    assert response.ok_response.headers_to_remove == ["x-auth-email"]


def test_long_values_arrive_whole():
    allow = Allow(Reason.AUTHORIZED, RULE, {"x-auth-groups": "g," * 2_000})
    response = CheckResponse.parse(wire.allowed(allow))
    assert response.ok_response is not None
    assert response.ok_response.headers[0].header == HeaderValue("x-auth-groups", "g," * 2_000)


@pytest.mark.parametrize("reason", [reason for reason in Reason if not reason.allows])
def test_every_refusal_is_a_refusal(reason):
    response = CheckResponse.parse(wire.encode(Deny(reason, RULE, ("read",)), "r-1"))
    assert response.status is not None
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    assert (response.status.code, response.ok_response) == (7, None)
    assert int(response.denied_response.status.code) == reason.status
    assert json.loads(response.denied_response.body) == {
        "type": f"urn:authz:{reason.slug}",
        "title": reason.text,
        "status": reason.status,
        "reason": reason.name,
        "instance": "r-1",
    }


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason.allows])
def test_a_refusal_never_turns_into_an_allowance(reason):
    response = CheckResponse.parse(wire.denied(Deny(reason)))
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    assert int(response.denied_response.status.code) == 503


@pytest.mark.parametrize(
    ("deny", "expected"),
    [
        (
            Deny(Reason.TOKEN_MISSING),
            {"content-type": "application/problem+json", "www-authenticate": 'Bearer realm="authz"'},
        ),
        (
            Deny(Reason.TOKEN_EXPIRED),
            {
                "www-authenticate": 'Bearer realm="authz", error="invalid_token", '
                'error_description="The token has expired."'
            },
        ),
        (
            Deny(Reason.SCOPE_MISSING, None, ("read", "write", 'a"b', "c d", "")),
            {
                "www-authenticate": 'Bearer realm="authz", error="insufficient_scope", '
                'error_description="The token lacks a scope that the rule requires.", scope="read write"'
            },
        ),
        (
            Deny(Reason.TOKEN_MISSING, READING, metadata="https://h/.well-known/oauth-protected-resource/a"),
            {
                "www-authenticate": 'Bearer realm="authz", scope="list read", '
                'resource_metadata="https://h/.well-known/oauth-protected-resource/a"'
            },
        ),
        (Deny(Reason.RULE_MISSING), {"www-authenticate": None, "retry-after": None}),
        (Deny(Reason.RESOURCE_UNPROTECTED), {"www-authenticate": None}),
        (Deny(Reason.SOURCE_UNAVAILABLE), {"www-authenticate": None, "retry-after": "1"}),
        (Deny(Reason.TOKEN_MISSING), {"cache-control": "no-store", "x-request-id": None}),
    ],
)
def test_a_refusal_says_what_the_standards_ask_for(deny, expected):
    headers = denial_headers(wire.denied(deny))
    assert {name: headers.get(name) for name in expected} == expected


def test_an_answer_of_our_own_passes_nothing_on():
    raw = wire.encode(Answer(Reason.RESOURCE_DESCRIBED, '{"a": 1}'), "r-1")
    response = CheckResponse.parse(raw)
    assert response.status is not None
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    assert (response.status.code, response.ok_response) == (7, None)
    assert (int(response.denied_response.status.code), response.denied_response.body) == (200, '{"a": 1}')
    assert denial_headers(raw) == {
        "content-type": "application/json",
        "cache-control": "max-age=300",
        "access-control-allow-origin": "*",
    }
    assert not [option for option in response.denied_response.headers if option.append]


def test_no_text_of_a_reason_breaks_out_of_its_quotes():
    assert not [reason for reason in Reason if {'"', "\\"} & set(reason.text + reason.error)]


def test_what_is_kept_of_a_refusal_is_no_other_callers():
    one = Deny(Reason.SCOPE_MISSING, scopes=("a",))
    others = (Deny(Reason.SCOPE_MISSING, scopes=("b",)), Deny(Reason.TOKEN_MISSING, metadata="https://a/m"))
    first = wire.denied(one, "r-1")
    assert all(wire.denied(other, "r-2") != first for other in others)
    second = wire.denied(one, "r-2")
    assert b"r-1" in first
    assert b"r-1" not in second
    assert second.replace(b"r-2", b"r-1") == first


def test_a_denied_header_never_carries_append():
    """Envoy 1.40 drops a denied header whose `append` is true."""
    response = CheckResponse.parse(wire.denied(Deny(Reason.TOKEN_MISSING), "r"))
    assert response.denied_response is not None
    assert [option.append for option in response.denied_response.headers] == [None] * 4


@pytest.mark.parametrize(
    ("reason", "status", "grpc_status"),
    [
        (Reason.CREDENTIAL_AMBIGUOUS, 400, "3"),
        (Reason.TOKEN_EXPIRED, 401, "16"),
        (Reason.SCOPE_MISSING, 403, "7"),
        (Reason.SOURCE_UNAVAILABLE, 503, "14"),
        (Reason.SIGN_IN, 302, "2"),
    ],
)
def test_a_grpc_client_gets_grpcs_status_and_one_sentence(reason, status, grpc_status):
    response = CheckResponse.parse(raw := wire.denied(Deny(reason, form=Form.GRPC)))
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    assert (int(response.denied_response.status.code), response.denied_response.body) == (status, reason.text)
    headers = denial_headers(raw)
    assert (headers["grpc-status"], headers.get("content-type")) == (grpc_status, None)


def test_a_redirect_has_no_body_and_is_not_stored():
    there = ("location", "/oauth2/start?rd=%2F")
    response = CheckResponse.parse(
        raw := wire.denied(Deny(Reason.SIGN_IN, form=Form.NOTHING, headers=(there,)))
    )
    assert response.denied_response is not None
    assert response.denied_response.body == ""
    assert denial_headers(raw) == {"cache-control": "no-store", "location": "/oauth2/start?rd=%2F"}


def test_a_person_gets_a_page():
    response = CheckResponse.parse(raw := wire.denied(Deny(Reason.SESSION_FORBIDDEN, form=Form.PAGE), "r-1"))
    assert response.denied_response is not None
    assert response.denied_response.body.startswith("<!doctype html>")
    assert denial_headers(raw)["content-type"] == "text/html; charset=utf-8"


COOKIES = ("s=1; Path=/; Secure", "s_1=2; Path=/; Secure")


def test_cookies_are_added_to_the_answer_of_the_workload_each_one():
    response = CheckResponse.parse(wire.allowed(Allow(Reason.AUTHORIZED, RULE, cookies=COOKIES)))
    assert response.ok_response is not None
    added = response.ok_response.response_headers_to_add
    assert [option.header for option in added] == [HeaderValue("set-cookie", value) for value in COOKIES]
    assert [(option.append, int(option.append_action)) for option in added] == [(None, 0)] * 2


def test_cookies_are_added_to_a_refusal_each_one():
    response = CheckResponse.parse(wire.denied(Deny(Reason.SESSION_ENDED, cookies=COOKIES)))
    assert response.denied_response is not None
    headers = [option.header for option in response.denied_response.headers]
    assert [one.value for one in headers if one and one.key == "set-cookie"] == [*COOKIES]


def test_an_answer_with_cookies_is_not_remembered_for_the_next():
    wire.allowed(Allow(Reason.AUTHORIZED, RULE, {"x-auth-subject": "a"}, cookies=COOKIES))
    response = CheckResponse.parse(wire.allowed(Allow(Reason.AUTHORIZED, RULE, {"x-auth-subject": "a"})))
    assert response.ok_response is not None
    assert not response.ok_response.response_headers_to_add


def denial_headers(raw: bytes) -> dict[str, str]:
    response = CheckResponse.parse(raw)
    assert response.denied_response is not None
    return {
        option.header.key: option.header.value
        for option in response.denied_response.headers
        if option.header is not None
    }
