"""However somebody calls, the token says who it is, and nothing that the credential does not say."""

from dataclasses import replace

import jwt
import pytest

from authz.core.policy import Check, IdentityToken
from authz.server.service import Service
from authz.server.signing import Signing
from tests import idp
from tests.server.test_kinds import GOOD, HOST, OPAQUE, SESSION, World
from tests.server.test_signing import HEADER, settings, write
from tests.sources.fakes import Person

CLAIMS = {"mail": "email", "groups": "groups", "scope": "scope"}


class Vouching(World):
    """The same world, where workloads want a token."""

    def __init__(self, folder) -> None:
        (folder / "secret").write_text("s3cret")
        super().__init__(folder / "secret")
        write(folder / "key.pem")
        self.signing = Signing(settings(folder), lambda: idp.NOW)
        policy = self.service.policy
        self.service = Service(self.sources, self.telemetry, lambda: idp.NOW, self.signing.signer)
        assert policy
        host = policy.hosts[HOST]
        rules = tuple(replace(rule, checks=tuple(map(vouching, rule.checks))) for rule in host.rules)
        headers = policy.identity_headers | {HEADER}
        self.service.policy = replace(
            policy, hosts={HOST: replace(host, rules=rules)}, identity_headers=headers
        )

    def claims(self, token):
        key = jwt.PyJWKSet.from_dict(self.signing.jwks())[jwt.get_unverified_header(token)["kid"]]
        ignored = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
        return jwt.decode(token, key, ["ES256"], ignored, audience=HOST)  # type: ignore[arg-type]  # as its documents have it


def vouching(check):
    return Check(replace(check.authorizer, identity_token=IdentityToken(HEADER, claims=CLAIMS)), check.any_of)


@pytest.fixture
async def world(tmp_path):
    made = Vouching(tmp_path)
    yield made
    await made.sources.close()


@pytest.mark.parametrize(
    ("headers", "told", "lives"),
    [
        ({"authorization": GOOD}, {"mail": "alice@example.com", "scope": "read write"}, 300),
        ({"authorization": f"Bearer {OPAQUE}"}, {"scope": "read"}, 100),
        ({"cookie": SESSION}, {"mail": "alice@example.com", "groups": ["staff"]}, 300),
    ],
)
async def test_the_token_says_what_the_credential_says_and_lives_no_longer(world, headers, told, lives):
    answer = await world.ask(**headers, x_auth_identity="forged")
    claims = world.claims(answer.headers[HEADER])
    assert {name: claims[name] for name in CLAIMS if name in claims} == told
    assert (claims["sub"], claims["exp"] - idp.NOW) == ("alice", lives)
    assert (await world.ask(**headers)).headers[HEADER] == answer.headers[HEADER], "remembered"


async def test_one_browser_never_gets_the_token_of_another(world):
    world.proxy.sessions["__Host-s=bob"] = Person("bob", "bob@x", ("staff",))
    for cookie, subject in [(SESSION, "alice"), ("__Host-s=bob", "bob")] * 2:
        answer = await world.ask(cookie=cookie)
        assert world.claims(answer.headers[HEADER])["sub"] == subject


async def test_an_answer_without_a_subject_vouches_for_nobody(world):
    world.issuer.know("anonymous", scope="read", aud="shop")
    del world.issuer.active["anonymous"]["sub"]
    answer = await world.ask(authorization="Bearer anonymous")
    assert (answer.status, answer.reason) == (403, "IDENTITY_UNUSABLE")
