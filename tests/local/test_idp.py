"""The development identity provider, asked by authlib's client as any application would ask it."""

import re
import time
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError
from joserfc.jwk import KeySet

from authz.local import ports
from authz.local.idp.app import app
from authz.local.idp.issuer import Issuer
from authz.local.ports import Ports
from authz.server.admin import Server

pytestmark = pytest.mark.slow

CALLBACK = "http://127.0.0.1:8000/callback"
VERIFIER = "v" * 43


@pytest.fixture
async def issuer():
    port = Ports().moved(ports.free_offset()).idp
    issuer = Issuer(f"http://127.0.0.1:{port}")
    server = Server(app(issuer), f"127.0.0.1:{port}")
    await server.start()
    yield issuer
    await server.stop()


@pytest.fixture
async def http(issuer):
    async with httpx.AsyncClient(base_url=issuer.url, trust_env=False) as client:
        yield client


def program(**settings):
    settings = {"client_id": "browser", "redirect_uri": CALLBACK} | settings
    return AsyncOAuth2Client(**settings, code_challenge_method="S256", trust_env=False)


def keys(issuer):
    return KeySet.import_key_set(issuer.jwks())


async def sign_in(issuer, client, user="alice", **parameters):
    """Through the login page, to the URL that the browser ends up at."""
    url, _ = client.create_authorization_url(f"{issuer.url}/authorize", code_verifier=VERIFIER, **parameters)
    page = await client.request("GET", url, withhold_token=True)
    assert page.status_code == 200, page.text
    answer = await client.request("POST", url, data={"user": user}, withhold_token=True)
    return answer.headers["location"]


async def test_discovery_names_endpoints_that_exist(issuer, http):
    document = (await http.get("/.well-known/openid-configuration")).json()
    assert document["issuer"] == issuer.url
    for name, url in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert (await http.get(url)).status_code != 404, name


async def test_only_public_keys_are_published(http):
    [key] = (await http.get("/jwks")).json()["keys"]
    assert key.keys() == {"kty", "n", "e", "use", "alg", "kid"}


async def test_a_robot_gets_a_token_of_its_own(issuer):
    async with program(client_id="robot", client_secret="robot-secret") as client:
        answer = await client.fetch_token(
            f"{issuer.url}/token", grant_type="client_credentials", scope="orders:read"
        )
    token = jwt.decode(answer["access_token"], keys(issuer))
    assert token.header["typ"] == "at+jwt"
    assert token.claims.keys() >= {"iss", "sub", "aud", "exp", "iat", "jti", "email", "groups"}
    assert {name: token.claims[name] for name in ("sub", "aud", "scope", "client_id")} == {
        "sub": "robot",
        "aud": "shop",
        "scope": "orders:read",
        "client_id": "robot",
    }


@pytest.mark.parametrize("secret", ["wrong", ""])
async def test_a_robot_without_its_secret_gets_nothing(issuer, secret):
    async with program(client_id="robot", client_secret=secret) as client:
        with pytest.raises(OAuthError, match="invalid_client"):
            await client.fetch_token(f"{issuer.url}/token", grant_type="client_credentials")


async def test_somebody_signs_in_through_a_browser(issuer):
    async with program(scope="openid orders:read") as client:
        location = await sign_in(issuer, client, nonce="n-1")
        answer = await client.fetch_token(
            f"{issuer.url}/token", authorization_response=location, code_verifier=VERIFIER
        )
        person = (await client.get(f"{issuer.url}/userinfo")).json()
    access, identity = (
        jwt.decode(answer[name], keys(issuer)).claims for name in ("access_token", "id_token")
    )
    assert (access["sub"], access["scope"], access["aud"]) == ("alice", "openid orders:read", "shop")
    assert (identity["sub"], identity["aud"], identity["nonce"]) == ("alice", "browser", "n-1")
    assert person == {
        "sub": "alice",
        "email": "alice@example.com",
        "email_verified": True,
        "groups": ["admins", "customers"],
    }


@pytest.mark.parametrize(
    "pkce",
    [
        {},
        {"code_challenge": VERIFIER},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge_method": "S256"},
    ],
)
async def test_pkce_can_not_be_left_out_or_weakened(http, pkce):
    asked = {"response_type": "code", "client_id": "browser", "redirect_uri": CALLBACK} | pkce
    answer = await http.get("/authorize", params=asked)
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["invalid_request"]


async def test_a_code_serves_once_even_after_a_wrong_verifier(issuer):
    async with program() as client:
        location = await sign_in(issuer, client)
        for verifier in ("w" * 43, VERIFIER):
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.fetch_token(
                    f"{issuer.url}/token", authorization_response=location, code_verifier=verifier
                )


@pytest.mark.parametrize("uri", ["https://evil.example.com/", "http://localhost.evil.example.com/"])
async def test_nobody_is_sent_off_this_machine(http, uri):
    asked = {"response_type": "code", "client_id": "browser", "redirect_uri": uri}
    assert (await http.get("/authorize", params=asked)).status_code == 400


async def test_a_stranger_can_not_sign_in(issuer):
    async with program() as client:
        assert "error=access_denied" in await sign_in(issuer, client, user="mallory")


async def test_the_login_page_lists_everyone(http):
    asked = {
        "response_type": "code",
        "client_id": "browser",
        "redirect_uri": CALLBACK,
        "code_challenge": VERIFIER,
        "code_challenge_method": "S256",
    }
    page = await http.get("/authorize", params=asked)
    assert re.findall(r"value=(\w+)", page.text) == ["alice", "bob"]


async def test_introspection_knows_what_is_good(issuer, http):
    good = issuer.sign({"sub": "alice", "exp": int(time.time()) + 60})
    for token, active in ((good, True), (issuer.sign({"sub": "alice", "exp": 1}), False), ("junk", False)):
        answer = await http.post("/introspect", data={"token": token}, auth=("authz", "authz-secret"))
        assert answer.json()["active"] is active
    issuer.rotate()
    answer = await http.post("/introspect", data={"token": good}, auth=("authz", "authz-secret"))
    assert answer.json() == {"active": False}


async def test_only_programs_with_a_secret_may_introspect(http):
    assert (await http.post("/introspect", data={"token": "x", "client_id": "browser"})).status_code == 401


async def test_a_rotation_forgets_the_old_key(issuer, http):
    token = issuer.sign({"sub": "alice"})
    assert (await http.post("/dev/rotate", json={})).status_code == 204
    with pytest.raises((InvalidKeyIdError, BadSignatureError, ValueError)):
        jwt.decode(token, KeySet.import_key_set((await http.get("/jwks")).json()))


async def test_any_claim_can_be_minted(issuer, http):
    answer = await http.post("/dev/token", json={"sub": "bob", "aud": "elsewhere"})
    claims = jwt.decode(answer.json()["access_token"], keys(issuer)).claims
    assert (claims["sub"], claims["email"], claims["aud"]) == ("bob", "bob@example.com", "elsewhere")


@pytest.mark.parametrize("path", ["/dev/token", "/dev/rotate"])
async def test_web_pages_can_not_reach_the_dev_endpoints(http, path):
    assert (await http.post(path, data={"sub": "alice"})).status_code == 415
    assert (await http.post(path, json={}, headers={"host": "evil.example.com"})).status_code == 400


@pytest.mark.parametrize("credential", [None, "Bearer junk", "Basic YTpi"])
async def test_userinfo_asks_for_a_token(http, credential):
    headers = {"authorization": credential} if credential else {}
    assert (await http.get("/userinfo", headers=headers)).status_code == 401
