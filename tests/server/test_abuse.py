"""What a client says of itself decides nothing: neither who it is, nor what it asks for, nor by which way."""

import pytest

from tests.server.test_service import GOOD, ask, outcome, service

CLAIMS = [
    ("x-http-method-override", "OPTIONS"),
    ("x-original-method", "OPTIONS"),
    ("x-forwarded-uri", "/public/x"),
    ("x-original-url", "/public/x"),
    ("x-rewrite-url", "/public/x"),
    ("x-envoy-original-path", "/public/x"),
    ("x-auth-request-redirect", "/public/x"),
    ("x-forwarded-prefix", "/public"),
    ("x-forwarded-host", "other.example.com"),
    ("x-forwarded-proto", "http"),
    ("x-forwarded-for", "127.0.0.1"),
    ("x-real-ip", "127.0.0.1"),
    ("x-envoy-internal", "true"),
    ("x-forwarded-client-cert", "By=spiffe://a;URI=spiffe://cluster.local/ns/istio-system/sa/gateway"),
    ("user-agent", "kube-probe/1.36"),
    ("user-agent", "GoogleHC/1.0"),
    ("x-auth-subject", "root"),
    ("x_auth_subject", "root"),
    ("x-auth-request-user", "root"),
    ("cookie", "_oauth2_proxy=x"),
    ("access-control-request-method", "GET"),
]


@pytest.mark.parametrize(("name", "value"), CLAIMS)
@pytest.mark.parametrize(
    ("target", "token", "status"),
    [
        ("/public/x", None, 200),
        ("/any", None, 401),
        ("/any", GOOD, 200),
        ("/admin/x", GOOD, 403),
        ("/", GOOD, 403),
    ],
)
async def test_no_header_but_the_credential_decides(name, value, target, token, status):
    assert outcome(await service().rpc(ask(target, token, **{name: value})))[0] == status


@pytest.mark.parametrize("target", ["/healthz", "/readyz", "/ping", "/livez", "/oauth2/auth", "/favicon.ico"])
async def test_no_path_is_open_by_its_name(target):
    assert outcome(await service().rpc(ask(target)))[0] in (401, 403)
