"""Random CheckRequests, bytes to bytes.

Whatever comes, the answer is one that Envoy can not take for another, and nobody passes without a credential
that was sent: the two good tokens are known, and one of them must be among the bytes.
"""

import asyncio
import json
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.jwk import OKPKey

from authz.core import path
from authz.core.decision import Allow, Decision, Deny
from authz.core.policy import Authorizer, Check, Host, Jwt, Location, Policy, Requirement, Rule
from authz.core.request import Request
from authz.server import ext_authz_pb2 as pb
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests.far_end import FarEnd

NOW = 1_800_000_000.0
ISSUER, HOST = "https://idp.example.com", "shop.example.com"
GET = frozenset({"GET"})

# A key that is the same in every run, so that the corpus goes on being about these tokens.
_key = OKPKey.import_key(
    Ed25519PrivateKey.from_private_bytes(bytes(32)).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ),
    {"kid": "k"},
)


def token(**claims: object) -> str:
    """Signed by the issuer."""
    header = {"alg": "EdDSA", "kid": "k"}
    return jwt.encode(header, {"iss": ISSUER, "aud": "a", **claims}, _key, algorithms=["EdDSA"])


READER = token(sub="r", exp=NOW + 60, scope="read")
NOBODY = token(sub="n", exp=NOW + 60)
TOO_OLD = token(sub="o", exp=NOW - 600, scope="read")

_SOMEBODY = Authorizer("a", (Jwt(ISSUER, audiences=frozenset({"a"})),), {"x-auth-subject": "sub"})
_QUERY = Authorizer("q", (Jwt(ISSUER, audiences=frozenset({"a"}), location=Location(param="token")),))
_READ = (Requirement(frozenset({"read"})),)
_RULES = (
    Rule("public", GET, path.parse("/public/{**}"), ()),
    Rule("read", GET, path.parse("/read/{*}"), (Check(_SOMEBODY, _READ),)),
    Rule("query", GET, path.parse("/query"), (Check(_QUERY),)),
    Rule("any", GET, path.parse("/{*}"), (Check(_SOMEBODY),)),
)
# By rule: whose token must be among the bytes of a request that passes.
OPENED_BY = {"public": ("",), "read": (READER,), "query": (READER, NOBODY), "any": (READER, NOBODY)}


class Last(Telemetry):
    """Remembers the last decision."""

    decision: Decision

    def record(self, _: Request, decision: Decision, __: float) -> None:
        self.decision = decision


def _keys(request: httpx.Request) -> httpx.Response:
    documents = {
        "/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
        "/keys": {"keys": [_key.as_dict(private=False)]},
    }
    return httpx.Response(200, stream=httpx.ByteStream(json.dumps(documents[request.url.path]).encode()))


_loop = asyncio.new_event_loop()
LAST = Last()
_service = Service(Sources(Client(transport=FarEnd(_keys)), lambda: 0.0), LAST, lambda: NOW)
_service.policy = Policy(MappingProxyType({HOST: Host(HOST, _RULES)}), frozenset({"x-auth-subject"}))


def one(data: bytes) -> None:
    """The bytes of a message."""
    raw = _loop.run_until_complete(_service.rpc(data))
    answer, decision = pb.CheckResponse.FromString(raw), LAST.decision
    kind = answer.WhichOneof("http_response")
    if isinstance(decision, Allow):
        read = unquote_to_bytes(data)  # a query may be written in another way
        # Some bits of the last character mean nothing (RFC 4648 3.5), and the rest is the signature's.
        sent = [each for each in OPENED_BY[decision.rule.name] if each[:-1].encode() in read]
        as_it_should_be = bool(sent) and answer.status.code == 0 and kind == "ok"
    else:
        bug = not isinstance(decision, Deny) or decision.note.startswith("a bug")
        as_it_should_be = not bug and answer.status.code == 7 and answer.denied.status.code >= 400
    if not as_it_should_be:
        raise AssertionError(decision)
    if any(token.encode() in raw for token in (READER, NOBODY, TOO_OLD)):
        raise AssertionError("a credential is sent back")


def ask(target: str, **headers: str) -> bytes:
    """A request, for a corpus to begin with."""
    http = pb.Http(method="GET", host=HOST, path=target, headers=headers)
    request = pb.CheckRequest()
    request.attributes.request.http.CopyFrom(http)
    return request.SerializeToString()
