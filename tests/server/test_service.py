"""The whole line, bytes to bytes, with a make-believe identity provider at its far end."""

import asyncio
import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import httpx
import pytest
import structlog
from envoy_data_plane.envoy.service.auth.v3 import (
    AttributeContext,
    AttributeContextHttpRequest,
    AttributeContextRequest,
    CheckRequest,
    CheckResponse,
)

from authz.core import path
from authz.core.policy import Authorizer, Check, Host, Jwt, Location, Policy, Requirement, Rule
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests import idp
from tests.far_end import FarEnd

NOW = idp.NOW
GET = frozenset({"GET"})
WELL_KNOWN = "/.well-known/oauth-protected-resource"
READ = (Requirement(frozenset({"read"})),)
ADMIN = (Requirement(frozenset({"admin"})),)
ELSEWHERE = Authorizer("foreign")
DOWN = Authorizer("down", (Jwt("https://down.example.com"),))
QUERY = Authorizer("query", (Jwt(idp.ISSUER, location=Location(param="token")),))


def rule(name: str, pattern: str, *checks: Check) -> Rule:
    return Rule(name, GET, path.parse(pattern), checks)


RULES = (
    rule("public", "/public/{**}"),
    rule("read", "/read", Check(idp.AUTHORIZER, READ)),
    rule("admin", "/admin/{**}", Check(idp.AUTHORIZER), Check(idp.AUTHORIZER, ADMIN)),
    rule("foreign", "/foreign", Check(ELSEWHERE)),
    rule("down", "/down", Check(DOWN)),
    rule("query", "/query", Check(QUERY)),
    rule("any", "/{*}", Check(idp.AUTHORIZER)),
)
POLICY = Policy(
    MappingProxyType({"shop.example.com": Host("shop.example.com", RULES, is_described=True)}),
    frozenset({"x-auth-subject", "x-auth-email"}),
)


def service(policy: Policy | None = POLICY, clock: Callable[[], float] = lambda: NOW) -> Service:
    good = idp.transport()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == "down.example.com":
            return httpx.Response(500)
        return good.handler(request)  # type: ignore[return-value]  # a plain function there

    sources = Sources(Client(transport=FarEnd(answer)), lambda: 0.0)
    made = Service(sources, Telemetry(), clock)
    made.policy = policy
    return made


def ask(target: str, token: str | None = None, host: str = "shop.example.com", **headers: str) -> bytes:
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    http = AttributeContextHttpRequest(method="GET", host=host, path=target, headers=headers)
    return bytes(CheckRequest(AttributeContext(request=AttributeContextRequest(http=http))))


def outcome(raw: bytes) -> tuple[int, str]:
    """Status and reason of an answer; it must be one or the other kind, never neither."""
    response = CheckResponse.parse(raw)
    assert response.status is not None
    if response.status.code == 0:
        assert response.ok_response is not None
        return 200, ""
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    return int(response.denied_response.status.code), json.loads(response.denied_response.body)["reason"]


GOOD = idp.sign(idp.CLAIMS)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (ask("/public/x"), (200, "")),
        (ask("/public/x", "garbage"), (200, "")),
        (ask("/any", GOOD), (200, "")),
        (ask("/any?a=b", GOOD), (200, "")),
        (ask("/any", GOOD, "SHOP.example.com:8443"), (200, "")),
        (ask("/any", idp.sign(idp.CLAIMS, "ES256")), (200, "")),
        (ask("/any", idp.sign(idp.CLAIMS, "EdDSA")), (200, "")),
        (ask("/read", GOOD), (200, "")),
        (ask("/query?token=" + GOOD), (200, "")),
        (ask("/any"), (401, "TOKEN_MISSING")),
        (ask("/any", host="shop.example.com:80"), (401, "TOKEN_MISSING")),
        (ask("/any?token=" + GOOD), (401, "TOKEN_MISSING")),
        (ask("/any", "garbage"), (401, "TOKEN_MALFORMED")),
        (ask("/any", ""), (401, "TOKEN_MALFORMED")),
        (ask("/any", "a b"), (401, "TOKEN_MALFORMED")),
        (ask("/any", "é.é.é"), (401, "TOKEN_MALFORMED")),
        (ask("/any", GOOD + "\n"), (401, "TOKEN_MALFORMED")),
        (ask("/any", GOOD + "="), (401, "TOKEN_MALFORMED")),
        (ask("/any", GOOD[:-6]), (401, "SIGNATURE_INVALID")),
        (ask("/any", idp.stranger(idp.CLAIMS)), (401, "SIGNATURE_INVALID")),
        (ask("/any", idp.glue({"alg": "none"}, json.dumps(idp.CLAIMS))), (401, "ALGORITHM_REFUSED")),
        (ask("/any", idp.glue({"alg": "nOnE"}, json.dumps(idp.CLAIMS))), (401, "ALGORITHM_REFUSED")),
        (ask("/any", idp.hmac_with_public_key(idp.CLAIMS)), (401, "ALGORITHM_REFUSED")),
        (ask("/any", idp.sign(idp.CLAIMS, kid="../../etc/passwd")), (401, "KEY_UNKNOWN")),
        (ask("/any", idp.sign(idp.CLAIMS, kid="ec")), (401, "KEY_UNKNOWN")),
        (ask("/any", idp.sign(idp.CLAIMS, kid=None)), (200, "")),
        (ask("/any", idp.sign(idp.claims(exp=NOW - 31))), (401, "TOKEN_EXPIRED")),
        (ask("/any", idp.sign(idp.claims(nbf=NOW + 31))), (401, "TOKEN_NOT_YET_VALID")),
        (ask("/any", idp.sign(idp.claims(aud="other"))), (401, "AUDIENCE_MISMATCH")),
        (ask("/any", idp.sign(idp.claims(iss="https://evil.example.com"))), (401, "ISSUER_UNKNOWN")),
        (ask("/any", idp.sign(idp.CLAIMS, typ="logout+jwt")), (401, "TOKEN_KIND")),
        (ask("/any", idp.sign(idp.claims(sub="a\r\nx-admin: 1"))), (403, "IDENTITY_UNUSABLE")),
        (ask("/any", "a" * 16_385), (401, "TOKEN_TOO_LONG")),
        (ask("/any", f"{GOOD},Bearer {GOOD}"), (400, "CREDENTIAL_AMBIGUOUS")),
        (ask("/admin/x", GOOD), (403, "SCOPE_MISSING")),
        (ask("//admin/x", GOOD), (400, "PATH_AMBIGUOUS")),
        (ask("/public/..%2fadmin", GOOD), (400, "PATH_AMBIGUOUS")),
        (ask("/foreign", GOOD), (403, "AUTHORIZER_ELSEWHERE")),
        (ask("/down", idp.sign(idp.claims(iss="https://down.example.com"))), (503, "SOURCE_UNAVAILABLE")),
        (ask("/a/b", GOOD), (403, "RULE_MISSING")),
        (ask("/any", GOOD, "other.example.com"), (403, "HOST_UNKNOWN")),
        (ask(f"{WELL_KNOWN}/public/x"), (404, "RESOURCE_UNPROTECTED")),
        (ask(f"{WELL_KNOWN};/read"), (400, "PATH_AMBIGUOUS")),
        (ask(WELL_KNOWN, host="other.example.com"), (403, "HOST_UNKNOWN")),
        (ask("/any", GOOD, ""), (400, "REQUEST_INVALID")),
        (ask("", GOOD), (400, "REQUEST_INVALID")),
        (b"", (400, "REQUEST_INVALID")),
        (b"\xff\xff", (503, "INTERNAL_ERROR")),
    ],
)
async def test_bytes_in_bytes_out(raw, expected):
    line = service()
    assert outcome(await line.rpc(raw)) == expected
    assert outcome(await line.rpc(raw)) == expected, "the same again, with all that is remembered"


async def test_identity_headers_are_set_and_the_clients_removed():
    raw = await service().rpc(ask("/any", idp.sign(idp.claims(email=None)), x_auth_subject="root"))
    allowed = CheckResponse.parse(raw).ok_response
    assert allowed is not None
    assert [(o.header.key, o.header.value) for o in allowed.headers if o.header] == [
        ("x-auth-subject", "alice")
    ]
    assert allowed.headers_to_remove == ["x-auth-email", "x_auth_subject"]


async def test_a_challenge_leads_to_the_issuer_of_the_tokens():
    line = service()
    refusal = CheckResponse.parse(await line.rpc(ask("/read"))).denied_response
    assert refusal is not None
    (challenge,) = [
        o.header.value for o in refusal.headers if o.header and o.header.key == "www-authenticate"
    ]
    url = "https://shop.example.com/.well-known/oauth-protected-resource/read"
    assert challenge == f'Bearer realm="authz", scope="read", resource_metadata="{url}"'

    answer = CheckResponse.parse(await line.rpc(ask(url.removeprefix("https://shop.example.com"))))
    assert answer.denied_response is not None
    assert json.loads(answer.denied_response.body) == {
        "resource": "https://shop.example.com/read",
        "authorization_servers": [idp.ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read"],
    }


async def test_a_remembered_token_still_expires():
    now = NOW
    line = service(clock=lambda: now)
    assert outcome(await line.rpc(ask("/any", GOOD)))[0] == 200
    now += 331
    assert outcome(await line.rpc(ask("/any", GOOD))) == (401, "TOKEN_EXPIRED")


async def test_a_remembered_token_is_judged_anew_by_every_rule():
    line = service()
    assert outcome(await line.rpc(ask("/any", GOOD)))[0] == 200
    assert outcome(await line.rpc(ask("/admin/x", GOOD))) == (403, "SCOPE_MISSING")


async def test_before_a_policy_is_loaded_everything_is_refused():
    assert outcome(await service(None).rpc(ask("/public/x"))) == (503, "NOT_READY")


async def test_a_bug_is_a_refusal():
    def broken() -> float:
        raise KeyError("bug")

    with structlog.testing.capture_logs() as lines:
        answer = await service(clock=broken).rpc(ask("/public/x?secret", GOOD, **{"x-request-id": "id-1"}))
    assert outcome(answer) == (503, "INTERNAL_ERROR")
    (line,) = lines
    assert (line["event"], line["request_id"], line["exc_info"]) == ("check failed", "id-1", True)
    assert GOOD not in str(line)


async def test_a_cancelled_call_is_a_refusal(slow):
    call = asyncio.create_task(slow.line.rpc(ask("/any", GOOD)))
    await slow.asked.wait()
    call.cancel()
    assert outcome(await call) == (503, "INTERNAL_ERROR")


async def test_every_call_is_counted_while_it_waits_and_once_it_is_answered(slow):
    """Whatever goes wrong in telling of a call is suppressed: that nothing is told would go unnoticed."""
    line = slow.line
    asking = asyncio.create_task(line.rpc(ask("/any", GOOD)))
    await slow.asked.wait()
    assert line.in_flight == 1
    slow.answer.set()
    await asking
    for raw in (ask("/any"), ask("/public/x"), b"\xff"):
        await line.rpc(raw)
    assert line.in_flight == 0
    page = line._telemetry.page().decode()
    for rule, reason in [
        ("any", "AUTHORIZED"),
        ("any", "TOKEN_MISSING"),
        ("public", "PUBLIC"),
        ("", "INTERNAL_ERROR"),
    ]:
        assert f'authz_checks_total{{reason="{reason}",rule="{rule}"}} 1.0' in page
    assert "authz_check_seconds_count 4.0" in page


async def test_an_answer_is_given_though_nobody_can_be_told_of_it():
    class Broken(Telemetry):
        def record(self, *_: Any) -> None:
            raise BrokenPipeError

    line = service()
    line._telemetry = Broken()
    assert outcome(await line.rpc(ask("/public/x"))) == (200, "")
    assert outcome(await line.rpc(b"\xff")) == (503, "INTERNAL_ERROR")


async def test_only_what_is_verified_is_remembered():
    line = service()
    for number in range(50):
        await line.rpc(ask("/any", idp.stranger(idp.claims(jti=str(number)))))
    assert len(line._memo) == 0


@pytest.mark.parametrize("size", [1, 7, 60, 200, 1000])
async def test_a_message_cut_short_is_never_allowed(size):
    raw = ask("/any", GOOD)
    cut: Any = raw[: min(size, len(raw) - 1)]
    assert outcome(await service().rpc(cut))[0] != 200
