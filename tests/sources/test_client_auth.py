"""How we show an authorization server who we are: what each way puts into the call."""

from base64 import b64decode
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authz.core.policy import Client
from authz.core.reason import Unavailable
from authz.sources import client_auth

ISSUER, FORM, NOW = "https://idp.example.com", "token=t", 1_700_000_000.5

KEYS = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
KINDS: dict[str, type[RSAKey | ECKey | OKPKey]] = {
    "RS256": RSAKey,
    "ES256": ECKey,
    "ES384": ECKey,
    "EdDSA": OKPKey,
}


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def public(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("a:b/ü%+\n", encoding="utf-8")
    return file


def test_basic_encodes_both_parts_as_a_form_before_it_joins_them(secret):
    """RFC 6749 2.3.1: or a colon in the name would move into the secret."""
    headers, body = client_auth.signed(Client("a z", secret_file=secret), ISSUER, FORM, NOW)
    assert b64decode(headers["authorization"].removeprefix("Basic ")) == b"a+z:a%3Ab%2F%C3%BC%25%2B"
    assert body == b"token=t"


def test_post_puts_both_into_the_body(secret):
    headers, body = client_auth.signed(Client("a z", "client_secret_post", secret), ISSUER, FORM, NOW)
    assert "authorization" not in headers
    assert headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(body.decode()) == {"token": ["t"], "client_id": ["a z"], "client_secret": ["a:b/ü%+"]}


def test_a_certificate_is_shown_by_the_connection_and_the_body_says_whose_it_is(tmp_path):
    client = Client("authz", "tls_client_auth", None, tmp_path / "key", tmp_path / "cert")
    _, body = client_auth.signed(client, ISSUER, FORM, NOW)
    assert parse_qs(body.decode()) == {"token": ["t"], "client_id": ["authz"]}


@pytest.mark.parametrize("algorithm", KEYS)
def test_an_assertion_is_signed_for_the_issuer_alone_lives_a_minute_and_is_used_once(tmp_path, algorithm):
    (tmp_path / "key").write_bytes(pem(KEYS[algorithm]))
    client = Client("authz", "private_key_jwt", key_file=tmp_path / "key")
    found = []
    for _ in range(2):
        _, body = client_auth.signed(client, ISSUER, FORM, NOW)
        form = parse_qs(body.decode())
        assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
        key = KINDS[algorithm].import_key(public(KEYS[algorithm]))
        found.append(jwt.decode(form["client_assertion"][0], key, algorithms=[algorithm]).claims)
    first, second = found
    assert (first["iss"], first["sub"], first["aud"]) == ("authz", "authz", ISSUER)
    assert (first["iat"], first["exp"]) == (1_700_000_000, 1_700_000_060)
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize(
    "text", [b"", b"s3cret", b"-----BEGIN PRIVATE KEY-----\ns3cret\n-----END PRIVATE KEY-----"]
)
def test_what_is_no_key_is_told_without_its_text(tmp_path, text):
    (tmp_path / "key").write_bytes(text)
    with pytest.raises(Unavailable) as caught:
        client_auth.signed(Client("c", "private_key_jwt", key_file=tmp_path / "key"), ISSUER, FORM, NOW)
    assert str(caught.value) == "the credentials of client c can not be used: ValueError"


def test_a_new_secret_is_shown_at_once(secret):
    client = Client("c", "client_secret_post", secret)
    shown = []
    for text in ("first", "later"):
        swapped(secret, text)
        _, body = client_auth.signed(client, ISSUER, FORM, NOW)
        shown += parse_qs(body.decode())["client_secret"]
    assert shown == ["first", "later"]


def test_a_new_key_signs_at_once(tmp_path):
    file = tmp_path / "key"
    client = Client("authz", "private_key_jwt", key_file=file)
    for key in (ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())):
        swapped(file, pem(key).decode())
        _, body = client_auth.signed(client, ISSUER, FORM, NOW)
        jwt.decode(parse_qs(body.decode())["client_assertion"][0], ECKey.import_key(public(key)))


def test_a_secret_that_is_gone_is_not_shown_any_more(secret):
    client = Client("c", secret_file=secret)
    client_auth.signed(client, ISSUER, FORM, NOW)
    secret.unlink()
    with pytest.raises(Unavailable):
        client_auth.signed(client, ISSUER, FORM, NOW)


def swapped(file, text):
    """As the kubelet renews what is mounted: another file takes its name."""
    (file.parent / "new").write_text(text)
    (file.parent / "new").rename(file)
