"""Issuers that nobody has named, found out."""

import json

import httpx
import pytest

from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.pipeline import learning
from authz.sources.http import Client
from tests import idp
from tests.far_end import FarEnd
from tests.migrate import worlds

REALM = "https://idp.example.com/realms/shop"
CERTS = f"{REALM}/protocol/openid-connect/certs"


def client(documents: dict[str, object], asked: list[str] | None = None) -> Client:
    """Answers with these documents, by URL."""

    def answer(request: httpx.Request) -> httpx.Response:
        if asked is not None:
            asked.append(str(request.url))
        found = documents.get(str(request.url))
        body = idp._streamed(json.dumps(found).encode())
        return httpx.Response(200, content=body) if found is not None else httpx.Response(404)

    return Client(transport=FarEnd(answer))


def metadata(issuer: str, **more: str) -> dict[str, object]:
    return {f"{issuer.rstrip('/')}/.well-known/openid-configuration": {"issuer": issuer} | more}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{REALM}/keys", [REALM, "https://idp.example.com/realms", "https://idp.example.com"]),
        ("https://idp.example.com/.well-known/jwks.json", ["https://idp.example.com"]),
        ("https://idp.example.com", []),
        ("https://idp.example.com/a/b/c/d/e/f/g/h", 6),
        ("file:///etc/keys", []),
        ("http://[", []),
    ],
)
def test_an_issuer_is_looked_for_above_its_address(url, expected):
    found = learning.candidates(url)
    assert len(found) == expected if isinstance(expected, int) else list(found) == expected


@pytest.mark.parametrize(
    ("url", "documents", "expected"),
    [
        (CERTS, metadata(REALM, jwks_uri=CERTS), REALM),
        (f"{REALM}/introspect", metadata(REALM, introspection_endpoint=f"{REALM}/introspect"), REALM),
        (CERTS, metadata(f"{REALM}/", jwks_uri=CERTS), f"{REALM}/"),
        (CERTS, metadata(REALM, jwks_uri=f"{REALM}/other"), ""),  # it speaks of other keys
        (
            CERTS,
            {f"{REALM}/.well-known/openid-configuration": {"issuer": "https://evil", "jwks_uri": CERTS}},
            "",
        ),
        (CERTS, {f"{REALM}/.well-known/openid-configuration": ["no object"]}, ""),
        (CERTS, {}, ""),
    ],
)
async def test_an_answer_counts_only_if_it_names_the_very_address(url, documents, expected):
    assert await learning.learn(client(documents), [url]) == ({url: expected} if expected else {})


async def test_a_token_tells_its_issuer_if_a_key_there_has_signed_it():
    at = client({CERTS: idp.public_keys()})
    assert await learning.learn(at, [CERTS], ["no token", idp.sign(idp.claims())]) == {CERTS: idp.ISSUER}
    assert await learning.learn(at, [CERTS], [idp.stranger(idp.claims())]) == {}
    assert await learning.learn(at, [CERTS], [idp.sign(idp.claims(iss=7))]) == {}


async def test_what_is_not_https_is_not_asked():
    asked: list[str] = []
    assert (
        await learning.learn(client({}, asked), ["http://hydra.kyma-system/keys", "http://10.0.0.1/k"]) == {}
    )
    assert asked == []


def test_only_those_are_asked_about_that_nobody_has_named():
    world = worlds.read(worlds.SHAPES)
    unknown = learning.unknown(world, Choices())
    assert "https://nobody-says.example.com/keys" in unknown
    assert "https://a.example.com/keys" not in unknown
    known = Choices(issuers=dict.fromkeys(unknown, "https://i"))
    assert learning.unknown(world, known) == ()


def test_what_a_person_says_stands():
    assert learning.merged({"a": "said"}, {"a": "learnt", "b": "learnt"}) == {"a": "said", "b": "learnt"}
