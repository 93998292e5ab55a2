"""Who is calling, through real Envoys: a workload is told by us or by nobody."""

import json
import shutil
import time
from itertools import product
from pathlib import Path

import httpx
import jwt
import pytest
from joserfc.jwk import ECKey, RSAKey

from authz.core import keyring
from authz.core.assertion import Signer
from authz.core.claims import Claims
from authz.core.decision import Vouched
from authz.core.identity import Caller
from authz.core.keyring import Keyring
from authz.core.policy import IDENTITY_HEADERS, IdentityToken
from authz.local import ports, raw
from authz.local.forged import Wallet
from authz.local.laptop import Laptop
from authz.local.up import SAMPLES
from tests.local.envoys import laptop
from tests.local.meshes import GATEWAY, policy, resource, to_shop, virtual_service

pytestmark = pytest.mark.slow

TOKEN = "x-auth-identity"
ISSUER = "https://authz.example.com"


@pytest.fixture
def cluster(tmp_path):
    """The samples, with a signed token for whoever is guarded by `dev`."""
    (tmp_path / "key.pem").write_bytes(ECKey.generate_key("P-256").as_pem(private=True))
    folder = Path(shutil.copytree(SAMPLES, tmp_path / "cluster"))
    file = folder / "cluster.yaml"
    signed = f"identityTokens: {{keys: [{tmp_path}], issuer: {ISSUER}, listen: 'unix:{tmp_path}/jwks'}}"
    text = file.read_text().replace("      - name: dev\n", "      - name: dev\n        identityToken: {}\n")
    file.write_text(text.replace("    authorizers:\n", f"    {signed}\n    authorizers:\n"))
    return folder


def spellings(name):
    """As CGI and WSGI workloads would read them all, in more letters than one."""
    letters = product(*("-_" if letter == "-" else letter for letter in name))
    found = ["".join(spelling) for spelling in letters]
    return [*found, *(one.upper() for one in found), name.title()]


FORGED = [
    (spelling, "mallory") for name in (*IDENTITY_HEADERS, TOKEN) for spelling in (*spellings(name), name)
]
HOSTS = [
    ("account", "/a", "good", {"x-auth-subject", "x-auth-email", "x-auth-groups", TOKEN}),
    ("dashboard", "/d", "good", {"x-auth-subject", "x-auth-email", "x-auth-groups", TOKEN}),
    (
        "shop",
        "/orders",
        "reader",
        {"x-auth-subject", "x-auth-email", "x-auth-groups", "x-auth-scopes", TOKEN},
    ),
    ("shop", "/products/1", "", set()),
    ("shop", "/products/1", "good", set()),
    ("reports", "/health", "", set()),
    ("reports", "/reports/7", "analyst", set()),
]


async def test_a_workload_can_not_be_sent_a_forged_identity(cluster, tmp_path):
    async with Laptop([cluster], ports.free_offset()) as around:
        wallet = Wallet(around.issuer)
        for host, path, bearer, told in HOSTS:
            name = f"{host}.localhost"
            token = [("authorization", f"Bearer {wallet.token(bearer)}")] if bearer else []
            for forged in (FORGED, [*FORGED, ("connection", f"close, {TOKEN}, x-auth-subject")], []):
                answer = await raw.ask(around.ports.gateway, "GET", path, [("host", name), *token, *forged])
                assert answer.status == 200, answer
                seen = answer.document["headers"]
                assert "mallory" not in str(seen)
                assert {one for one in seen if one.replace("_", "-").lower().startswith("x-auth-")} == told
                if TOKEN in told:
                    claims = await verified(seen[TOKEN], tmp_path / "jwks", name)
                    assert (claims["sub"], claims["email"]) == ("alice", seen["x-auth-email"])


async def verified(token, address, audience):
    """As a workload would, with nothing but the address of the keys."""
    async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=str(address))) as client:
        keys = jwt.PyJWKSet.from_dict((await client.get("http://authz/.well-known/jwks.json")).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    return jwt.decode(token, key, ["ES256"], audience=audience, issuer=ISSUER)


@pytest.mark.parametrize(
    "key", [ECKey.generate_key("P-256"), RSAKey.generate_key(2048)], ids=["ES256", "RS256"]
)
def test_the_mesh_can_verify_it(tmp_path, key):
    """Envoy's own verifier is a third opinion, and Istio's policies can ask for what the token says."""
    parsed = keyring.parse(key.as_pem(private=True))
    keys = {"http://authz/jwks": json.dumps({"keys": [parsed.public]})}
    rule = {
        "issuer": ISSUER,
        "audiences": ["shop.test"],
        "jwksUri": "http://authz/jwks",
        "fromHeaders": [{"name": TOKEN}],
    }
    people = {"from": [{"source": {"principals": [GATEWAY], "requestPrincipals": [f"{ISSUER}/*"]}}]}
    readers = {"when": [{"key": "request.auth.claims[groups]", "values": ["readers"]}]}
    resources = [
        virtual_service(to_shop(), hosts=("shop.test",)),
        resource("RequestAuthentication", "shop", {"jwtRules": [rule]}),
        policy(people | readers),
    ]
    made = Signer(ISSUER, 60, Keyring(60, 60).follow([parsed], 0))
    with laptop(tmp_path, resources, jwks=keys) as running:

        def status(groups, audience, now):
            caller = Caller(Claims(frozenset(), 0, now + 60, {"sub": "alice", "groups": groups}))
            wanted = IdentityToken(TOKEN, audience, {"groups": "groups"})
            text = made.token(Vouched(caller, wanted, "shop.test"), now)
            return running.ask("shop.test", "/", x_auth_identity=text).status

        now = time.time()
        assert status(["readers"], "", now) == 200
        assert status(["writers"], "", now) == 403
        assert status(["readers"], "other.test", now) == 403
        assert status(["readers"], "", now - 3_600) == 401
        assert running.ask("shop.test", "/").status == 403
