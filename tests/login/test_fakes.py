"""The fakes of `tests/sources` answer as the real servers do, where it matters."""

from urllib.parse import parse_qsl

import httpx
import pytest

from authz.local import keycloak as keycloaks
from tests.servers import PATIENCE_S
from tests.sources.fakes import Person, Provider, SignInProxy, TokenIssuer

pytestmark = pytest.mark.slow

ALICE = ("alice@example.com", ("admins", "customers"))


@pytest.mark.parametrize(
    "question",
    [
        "",
        "allowed_groups=admins",
        "allowed_groups=nobody,admins",
        "allowed_groups=nobody",
        "allowed_groups=admin",
        "allowed_groups=Admins",
        "allowed_emails=alice@example.com",
        "allowed_emails=bob@example.com,alice@example.com",
        "allowed_emails=bob@example.com",
        "allowed_groups=admins&allowed_emails=bob@example.com",
        "allowed_groups=nobody&allowed_emails=alice@example.com",
        "allowed_groups=admins&allowed_emails=alice@example.com",
    ],
)
@pytest.mark.parametrize("kind", ["signed in", "made up", "none"])
async def test_oauth2_proxy_tells_of_a_session(site, cookie, kind, question):
    url = f"{site.proxy}/oauth2/auth"
    sent = {"signed in": cookie, "made up": "session=made-up", "none": ""}[kind]
    async with httpx.AsyncClient(trust_env=False) as client:
        real = await client.get(url, params=parse_qsl(question), headers={"cookie": sent})
    fake = SignInProxy()
    if kind == "signed in":
        fake.sessions[cookie] = Person(real.headers.get("x-auth-request-user", ""), *ALICE)
    request = httpx.Request("GET", url, params=parse_qsl(question), headers={"cookie": sent})
    made = await fake._handle(request)
    assert made.status_code == real.status_code
    assert identity(made) == identity(real)


def identity(answer):
    names = ("user", "email", "groups")
    return {name: answer.headers.get(f"x-auth-request-{name}") for name in names}


async def test_an_introspection_endpoint_tells_of_tokens(hydra):
    token, fake = hydra.token(), TokenIssuer()
    fake.know(token, iss=hydra.issuer, aud=["notes"], scope="notes:read", sub="shop-robot", exp=2, nbf=1)
    async with httpx.AsyncClient(trust_env=False) as client:
        for asked in (token, "made-up"):
            real = await client.post(hydra.introspection, data={"token": asked})
            made = await fake._handle(httpx.Request("POST", hydra.introspection, data={"token": asked}))
            assert made.status_code == real.status_code
            assert kinds(made.json()) == {name: kinds(real.json())[name] for name in made.json()}


def kinds(answer):
    return {name: type(value) if name != "active" else value for name, value in answer.items()}


async def test_keycloak_asks_who_asks_and_says_as_little_of_what_is_not_active(keycloak):
    url = f"{keycloak.issuer}/protocol/openid-connect/token/introspect"
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        real = await client.post(url, data={"token": "made-up"}, auth=keycloaks.ROBOT)
        assert real.json() == {"active": False}
        stranger = await client.post(url, data={"token": "made-up"}, auth=("robot", "wrong"))
        assert stranger.status_code == 401


async def test_an_issuer_names_its_keys(keycloak):
    fake = Provider("a")
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_S) as client:
        real = (await client.get(f"{keycloak.issuer}/.well-known/openid-configuration")).json()
        assert kinds(fake.metadata) == {name: kinds(real)[name] for name in fake.metadata}
        keys = (await client.get(real["jwks_uri"])).json()["keys"]
    [made] = fake.answer().json()["keys"]
    assert any(made.keys() <= key.keys() for key in keys)
