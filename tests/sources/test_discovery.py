"""What an issuer's metadata must say before its keys are asked for."""

import json

import pytest

from authz.core.reason import Unavailable
from authz.sources import discovery
from tests import idp

KEYS = f"{idp.ISSUER}/keys"


@pytest.mark.parametrize(
    "issuer", [idp.ISSUER, f"{idp.ISSUER}/", f"{idp.ISSUER}/realms/a", f"{idp.ISSUER}/a/"]
)
async def test_the_document_stands_below_the_issuer_without_its_last_slash(provider, issuer):
    provider.metadata["issuer"] = issuer
    assert await discovery.discover(provider.client, issuer) == KEYS
    path = issuer.removeprefix(idp.ISSUER).removesuffix("/")
    assert provider.calls == [f"{path}/.well-known/openid-configuration"]


@pytest.mark.parametrize(
    "issuer", ["https://idp.example.com?x=", "https://idp.example.com/#", "no url", "", "//"]
)
async def test_some_issuers_can_not_be_asked(provider, issuer):
    with pytest.raises(Unavailable):
        await discovery.discover(provider.client, issuer)
    assert provider.calls == []


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"issuer": f"{idp.ISSUER}/", "jwks_uri": KEYS}, "another issuer"),
        ({"issuer": idp.ISSUER.upper(), "jwks_uri": KEYS}, "another issuer"),
        ({"issuer": f"{idp.ISSUER}.evil.example", "jwks_uri": KEYS}, "another issuer"),
        ({"issuer": [idp.ISSUER], "jwks_uri": KEYS}, "another issuer"),
        ({"jwks_uri": KEYS}, "another issuer"),
        ({"issuer": idp.ISSUER}, "no jwks_uri"),
        ({"issuer": idp.ISSUER, "jwks_uri": ""}, "no jwks_uri"),
        ({"issuer": idp.ISSUER, "jwks_uri": [KEYS]}, "no jwks_uri"),
        ({"issuer": idp.ISSUER, "jwks_uri": "http://localhost/keys"}, "not https"),
        ({"issuer": idp.ISSUER, "jwks_uri": "/keys"}, "not https"),
        ([], "not a JSON object"),
    ],
)
async def test_a_document_of_someone_else_or_without_keys_is_no_answer(provider, fields, text):
    provider.metadata = fields
    with pytest.raises(Unavailable, match=text):
        await discovery.discover(provider.client, idp.ISSUER)


def test_an_issuer_without_tls_may_have_its_keys_there_too():
    document = json.dumps({"issuer": "http://localhost", "jwks_uri": "http://localhost/keys"}).encode()
    assert discovery.parse(document, "http://localhost", "jwks_uri") == "http://localhost/keys"


def test_a_name_that_stands_twice_is_refused():
    document = json.dumps({"issuer": idp.ISSUER, "jwks_uri": KEYS})
    with pytest.raises(ValueError, match="twice"):
        discovery.parse(document.replace("{", '{"issuer": "x", ', 1).encode(), idp.ISSUER, "jwks_uri")
