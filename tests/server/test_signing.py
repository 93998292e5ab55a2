"""Keys of identity tokens: files that change under requests that flow, and the set that is published."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from envoy_data_plane.envoy.service.auth.v3 import CheckResponse
from joserfc.jwk import ECKey, RSAKey
from structlog.testing import capture_logs

from authz.core import path
from authz.core.assertion import Signer
from authz.core.policy import Authorizer, Check, Host, IdentityToken, Policy, Rule
from authz.server import signing
from authz.server.service import Service
from authz.server.signing import Signing
from authz.server.telemetry import Telemetry
from authz.sources.http import Client
from authz.sources.registry import Sources
from authz.tokens import IdentityTokens
from tests import idp
from tests.server.test_service import ask, outcome
from tests.servers import PATIENCE_S, eventually

ISSUER, HEADER = "https://authz.example.com", "x-auth-identity"
LOOK_S = 0.02
SHOP, DESK = "shop.example.com", "desk.example.com"
VOUCHED = Authorizer(
    "vouched", (idp.ACCEPT,), {"x-auth-subject": "sub"}, IdentityToken(HEADER, claims={"mail": "email"})
)
DESKS = Authorizer("desks", (idp.ACCEPT,), {}, IdentityToken(HEADER, "grafana"))
PLAIN = Authorizer("plain", (idp.ACCEPT,), {"x-auth-subject": "sub"})


def rule(pattern: str, *authorizers: Authorizer) -> Rule:
    return Rule(pattern, frozenset({"GET"}), path.parse(pattern), tuple(map(Check, authorizers)))


POLICY = Policy(
    {
        SHOP: Host(
            SHOP,
            (
                rule("/public"),
                rule("/plain", PLAIN),
                rule("/both", PLAIN, VOUCHED, DESKS),
                rule("/*", VOUCHED),
            ),
        ),
        DESK: Host(DESK, (rule("/*", DESKS),)),
        "*.example.org": Host("*.example.org", (rule("/*", VOUCHED),)),
    },
    frozenset({"x-auth-subject", HEADER}),
)


class Clock:
    now = idp.NOW

    def __call__(self) -> float:
        return self.now


def write(file: Path, key: ECKey | RSAKey | None = None) -> str:
    """The name of the key that has been written."""
    key = key or ECKey.generate_key("P-256")
    file.write_bytes(key.as_pem(private=True))
    return str(key.thumbprint())


def settings(*keys: Path, **more: Any) -> IdentityTokens:
    return IdentityTokens.model_validate({"keys": keys, "issuer": ISSUER} | more)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def service(signer: Signer | None, clock: Clock) -> Service:
    made = Service(Sources(Client(transport=idp.transport()), lambda: 0.0), Telemetry(), clock, signer)
    made.policy = POLICY
    return made


async def sent(
    line: Service, target: str, host: str = SHOP, expires: float = 300.0, **headers: str
) -> tuple[dict[str, str], list[str]]:
    """What the workload gets: headers set, headers removed."""
    token = idp.sign(idp.claims(exp=idp.NOW + expires))
    raw = await line.rpc(ask(target, token, host, **headers))
    assert outcome(raw) == (200, "")
    allowed = CheckResponse.parse(raw).ok_response
    assert allowed is not None
    there = {option.header.key: option.header.value for option in allowed.headers if option.header}
    return there, allowed.headers_to_remove


def read(text: str, keys: dict[str, Any], audience: str, now: float) -> dict[str, Any]:
    """By another library, as a workload would: by `kid`, with what was published, at that time."""
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(text)["kid"]]
    ignored = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    claims = jwt.decode(text, key, ["ES256", "RS256"], ignored, audience=audience, issuer=ISSUER)  # type: ignore[arg-type]
    assert claims["nbf"] <= now < claims["exp"]
    return dict(claims)


async def test_the_workload_is_told_who_calls_and_may_check_it(tmp_path, clock):
    write(tmp_path / "key.pem")
    keys = Signing(settings(tmp_path), clock)
    line = service(keys.signer, clock)
    told, removed = await sent(line, "/a")
    claims = read(told[HEADER], keys.jwks(), SHOP, clock.now)
    assert (claims["sub"], claims["mail"], claims["exp"]) == ("alice", "alice@example.com", idp.NOW + 300)
    assert (told["x-auth-subject"], removed) == ("alice", [])
    assert (await sent(line, "/a"))[0] == told, "the same token serves again"


@pytest.mark.parametrize(
    ("target", "host", "audience"),
    [
        ("/a", SHOP, SHOP),
        ("/a", f"{SHOP.upper()}:8443", SHOP),
        ("/a", "one.example.org", "one.example.org"),
        ("/both", SHOP, SHOP),
        ("/a", DESK, "grafana"),
    ],
)
async def test_it_is_for_one_audience(tmp_path, clock, target, host, audience):
    write(tmp_path / "key.pem")
    keys = Signing(settings(tmp_path), clock)
    told, _ = await sent(service(keys.signer, clock), target, host)
    read(told[HEADER], keys.jwks(), audience, clock.now)
    with pytest.raises(jwt.InvalidAudienceError):
        read(told[HEADER], keys.jwks(), "two.example.org", clock.now)


@pytest.mark.parametrize("target", ["/public", "/plain", "/a"])
@pytest.mark.parametrize("forged", [HEADER, "x_auth_identity", "x-auth_identity"])
async def test_a_forged_one_never_arrives(tmp_path, clock, target, forged):
    write(tmp_path / "key.pem")
    line = service(Signing(settings(tmp_path), clock).signer, clock)
    told, removed = await sent(line, target, SHOP, 300, **{forged: "forged"})
    assert forged in removed or told[HEADER] != "forged"
    assert (HEADER in told) == (target == "/a")


async def test_a_request_is_refused_by_the_policy_that_it_was_checked_by(tmp_path, clock, slow):
    """Whose host another policy takes away while a source is asked."""
    write(tmp_path / "key.pem")
    line = Service(slow.sources, Telemetry(), clock, Signing(settings(tmp_path), clock).signer)
    line.policy = POLICY
    asking = asyncio.create_task(line.rpc(ask("/a", idp.sign(idp.claims(exp=idp.NOW)), SHOP)))
    await slow.asked.wait()
    line.policy = Policy()
    slow.answer.set()
    assert outcome(await asking) == (401, "TOKEN_EXPIRED")


async def test_without_keys_nothing_is_set_and_nothing_let_through(clock):
    told, removed = await sent(service(None, clock), "/a", SHOP, 300, **{HEADER: "forged"})
    assert (told, removed) == ({"x-auth-subject": "alice"}, [HEADER])


def test_a_key_is_published_for_as_long_as_any_verifier_takes_its_tokens(tmp_path, clock):
    write(tmp_path / "key.pem")
    ring = Signing(settings(tmp_path, ttl="5m", publishAhead="15m"), clock).signer.keyring
    assert (ring.lead_s, ring.life_s) == (900.0, 300.0 + 60.0)


async def test_it_opens_nothing_here(tmp_path, clock):
    """A workload that hands on what it was sent gains nothing."""
    write(tmp_path / "key.pem")
    line = service(Signing(settings(tmp_path), clock).signer, clock)
    told, _ = await sent(line, "/a")
    assert outcome(await line.rpc(ask("/a", told[HEADER]))) == (401, "ISSUER_UNKNOWN")


async def test_who_comes_in_the_leeway_is_asked_for_a_fresh_credential(tmp_path, clock):
    write(tmp_path / "key.pem")
    line = service(Signing(settings(tmp_path), clock).signer, clock)
    clock.now += 300
    token = idp.sign(idp.claims(exp=idp.NOW + 300))
    assert outcome(await line.rpc(ask("/plain", token))) == (200, "")
    assert outcome(await line.rpc(ask("/a", token))) == (401, "TOKEN_EXPIRED")


@pytest.mark.parametrize("replaced", [True, False], ids=["in place", "added, then the old one taken away"])
async def test_keys_change_under_requests_that_flow(tmp_path, clock, replaced):
    """A workload that fetches the keys every ten minutes, and tolerates nothing, is never at a loss."""
    first = write(tmp_path / "1.pem")
    keys = Signing(settings(tmp_path, publishAhead="15m"), clock)
    line, cached, kids = service(keys.signer, clock), keys.jwks(), []
    for second in range(0, 7_200, 10):
        clock.now = idp.NOW + second
        if second == 1_000:
            write(tmp_path / ("1.pem" if replaced else "2.pem"))
            keys.reload()
        if second == 3_000:
            (tmp_path / "1.pem").unlink() if not replaced else None
            keys.reload()
        if second % 600 == 0:
            cached = keys.jwks()
        told, _ = await sent(line, "/a", expires=9_000)
        read(told[HEADER], cached, SHOP, clock.now)
        kids.append(jwt.get_unverified_header(told[HEADER])["kid"])
    assert len(dict.fromkeys(kids)) == 2
    assert 190 <= kids.count(first) <= 206  # 900 s after the change, and half a token's life
    assert [key["kid"] for key in keys.jwks()["keys"]] == [kids[-1]]


def test_folders_are_read_in_the_order_of_names_and_hidden_files_left_out(tmp_path, clock):
    names = [write(tmp_path / name) for name in ("b.key", "c.pem", "a.pem", ".d.pem", "tls.crt")]
    (tmp_path / "..data").mkdir()
    made = Signing(settings(tmp_path, tmp_path / "tls.crt"), clock)
    assert [key["kid"] for key in made.jwks()["keys"]] == [names[2], names[0], names[1], names[4]]
    assert [file.name for file in made.files] == ["a.pem", "b.key", "c.pem", "tls.crt"]


def test_what_is_published_is_public(tmp_path, clock):
    write(tmp_path / "a.pem")
    write(tmp_path / "b.pem", RSAKey.generate_key(2048))
    ec, rsa = Signing(settings(tmp_path), clock).jwks()["keys"]
    assert set(ec) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert set(rsa) == {"kty", "n", "e", "kid", "alg", "use"}


def mistakes(folder: Path) -> Iterator[tuple[Path, str]]:
    (folder / "empty").mkdir()
    (folder / "text.pem").write_text("hello")
    (folder / "public.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=False))
    os.mkfifo(folder / "pipe.pem")
    yield folder / "empty", "there is no key in"
    yield folder / "gone.pem", "gone.pem: [Errno 2]"
    yield folder / "text.pem", "text.pem: is not a private key in PEM without a password"
    yield folder / "public.pem", "public.pem: is not a private key"
    yield folder / "pipe.pem", "pipe.pem: is not a private key"


def test_what_can_not_be_used_is_named(tmp_path, clock):
    for file, message in mistakes(tmp_path):
        (problem,) = signing.problems(settings(file))
        assert problem.startswith("identityTokens.keys: ")
        assert message in problem
        with pytest.raises(OSError, match=r"identityTokens\.keys"):
            Signing(settings(file), clock)
    assert signing.problems(IdentityTokens()) == []


def test_a_bad_change_changes_nothing(tmp_path, clock):
    kid = write(tmp_path / "key.pem")
    made = Signing(settings(tmp_path), clock)
    (tmp_path / "other.pem").write_text("half wri")
    with pytest.raises(OSError, match=r"other\.pem"):
        made.reload()
    assert [key["kid"] for key in made.jwks()["keys"]] == [kid]


async def test_the_files_are_followed_and_the_keys_published_meanwhile(tmp_path):
    first = write(tmp_path / "1.pem")
    made = Signing(settings(tmp_path))
    address = tmp_path / "jwks.sock"

    async def published() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(address))) as client:
            answer = await client.get("http://authz/.well-known/jwks.json")
            assert answer.headers["cache-control"] == "public, max-age=300"
            assert (await client.get("http://authz/metrics")).status_code == 404
            return [key["kid"] for key in answer.json()["keys"]]

    async with signing.kept(made, f"unix:{address}", LOOK_S):
        assert await published() == [first]
        with capture_logs() as told:
            (tmp_path / "2.pem").write_text("half wri")
            await eventually(lambda: bool(told))
        assert "2.pem" in told[0]["problem"]
        assert await published() == [first]
        second = write(tmp_path / "2.pem")
        async with asyncio.timeout(PATIENCE_S):
            while await published() != [first, second]:  # noqa: ASYNC110  # nothing would tell us
                await asyncio.sleep(LOOK_S)
    with pytest.raises(httpx.ConnectError):
        await published()
    async with signing.kept(None, None):
        assert made.signer.keyring.signing(0).kid == first
