"""Reading a published key set: what is kept, what is left out, what is refused as a whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from authz.core import keys
from authz.core.policy import ALGORITHMS

# RFC 7517 A.1; its thumbprint is in RFC 7638 3.1
RSA = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWK"
    "RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqz"
    "s8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "kid": "2011-04-29",
}
EC = {
    "kty": "EC",
    "crv": "P-256",
    "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    "kid": "1",
}
OKP = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}  # RFC 8037 A.2

RSA_THUMBPRINT = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"  # RFC 7638 3.1
OKP_THUMBPRINT = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"  # RFC 8037 A.3

RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def parse(*entries: Any) -> keys.KeySet:
    return keys.parse(json.dumps({"keys": entries}).encode())


def without(entry: dict[str, Any], name: str) -> dict[str, Any]:
    return {field: value for field, value in entry.items() if field != name}


@pytest.mark.parametrize(
    ("entry", "identity"), [(RSA, RSA_THUMBPRINT), (OKP, OKP_THUMBPRINT)], ids=["RSA", "OKP"]
)
def test_a_key_is_identified_by_its_thumbprint(entry, identity):
    assert {key.identity for key in parse(entry).keys.values()} == {identity}


@pytest.mark.parametrize(
    ("entry", "algorithms"),
    [
        (RSA, RSA_ALGORITHMS),
        (RSA | {"alg": "PS384"}, {"PS384"}),
        (RSA | {"use": "sig", "key_ops": ["verify"]}, RSA_ALGORITHMS),
        (EC, {"ES256"}),
        (ECKey.generate_key("P-384").as_dict(), {"ES384"}),
        (ECKey.generate_key("P-521").as_dict(), {"ES512"}),
        (OKP, {"EdDSA"}),
    ],
)
def test_a_key_verifies_what_its_type_its_curve_and_its_alg_allow(entry, algorithms):
    found = parse(entry)
    kid = entry.get("kid", "")
    assert {name for name in ALGORITHMS if found.find(kid, name)} == algorithms


def test_a_key_without_a_name_is_found_by_none():
    assert set(parse(OKP).keys) == {("", "EdDSA")}
    assert set(parse(EC).keys) == {("", "ES256"), ("1", "ES256")}


def test_the_algorithms_of_the_policy_are_those_that_a_key_can_have():
    assert set(keys._FITS) == ALGORITHMS


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param(RSA | {"use": "enc"}, id="for encryption"),
        pytest.param(RSA | {"use": ["sig"]}, id="use is a list"),
        pytest.param(RSA | {"key_ops": ["encrypt", "wrapKey"]}, id="not to verify with"),
        pytest.param(RSA | {"key_ops": "verify"}, id="key_ops is a string"),
        pytest.param(RSA | {"use": "sig", "key_ops": ["verify", "encrypt"]}, id="use contradicts key_ops"),
        pytest.param(RSA | {"alg": "RSA-OAEP"}, id="an encryption algorithm"),
        pytest.param(RSA | {"alg": "HS256"}, id="a symmetric algorithm on a public key"),
        pytest.param(RSA | {"alg": "none"}, id="alg none"),
        pytest.param(RSA | {"alg": ["RS256"]}, id="alg is a list"),
        pytest.param(EC | {"alg": "ES384"}, id="alg of another curve"),
        pytest.param(EC | {"alg": "RS256"}, id="alg of another type"),
        pytest.param(RSA | {"kid": 7}, id="kid is a number"),
        pytest.param(RSA | {"kid": None}, id="kid is null"),
        pytest.param(OctKey.generate_key(256).as_dict(private=True), id="symmetric"),
        pytest.param(RSAKey.generate_key(2048).as_dict(private=True), id="a private RSA key"),
        pytest.param(ECKey.generate_key("P-256").as_dict(private=True), id="a private EC key"),
        pytest.param(OKPKey.generate_key("Ed25519").as_dict(private=True), id="a private OKP key"),
        pytest.param(RSA | {"p": "AQAB"}, id="a prime of the modulus"),
        pytest.param(RSA | {"k": "AQAB"}, id="a secret beside a public key"),
        pytest.param(RSAKey.generate_key(1024).as_dict(), id="1024 bits"),
        pytest.param(RSAKey.generate_key(2040).as_dict(), id="2040 bits"),
        pytest.param(RSA | {"n": "_" * 1_404}, id="8424 bits"),
        pytest.param(RSA | {"n": "_" * 1_000_000}, id="6 million bits"),
        pytest.param(RSA | {"kid": "k" * 2_000}, id="a kid of 2000 characters"),
        pytest.param(RSA | {"e": "AQ"}, id="exponent 1: every signature would do"),
        pytest.param(RSA | {"e": "BA"}, id="an even exponent"),
        pytest.param(RSA | {"e": "AQAAAAE"}, id="an exponent that takes long to verify with"),
        pytest.param(RSA | {"n": 5}, id="n is a number"),
        pytest.param(RSA | {"n": ""}, id="n is empty"),
        pytest.param(RSA | {"n": "é"}, id="n is not base64url"),
        pytest.param(without(RSA, "e"), id="no exponent"),
        pytest.param(EC | {"x": EC["y"]}, id="a point off the curve"),
        pytest.param(EC | {"crv": "P-384"}, id="a point of another curve"),
        pytest.param(EC | {"crv": "P-999"}, id="no such curve"),
        pytest.param(ECKey.generate_key("secp256k1").as_dict(), id="a curve of no algorithm"),
        pytest.param(OKPKey.generate_key("X25519").as_dict(), id="for key agreement"),
        pytest.param(OKPKey.generate_key("Ed448").as_dict(), id="Ed448"),
        pytest.param(OKP | {"x": "AA"}, id="too short a point"),
        pytest.param(OKP | {"x": "\ud800"}, id="a lone surrogate"),
        pytest.param({"kty": "AKP", "pub": "AA"}, id="no such type"),
        pytest.param({"kty": []}, id="kty is a list"),
        pytest.param({}, id="no type"),
        pytest.param("RSA", id="a string"),
        pytest.param(None, id="null"),
    ],
)
def test_a_key_that_may_not_verify_is_left_out_and_the_others_stand(entry):
    assert parse(entry, OKP) == parse(OKP)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b"", "Expecting value"),
        (b"<html>", "Expecting value"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{}", "not a JWK Set"),
        (b'{"keys": {}}', "not a JWK Set"),
        (b'{"keys": null}', "not a JWK Set"),
        (b'{"keys": []}', "no key"),
        (b'{"keys": [{}]}', "no key"),
        (b'{"keys": [], "keys": []}', "twice"),
        (b'{"keys": [{"kty": "RSA", "kty": "EC"}]}', "twice"),
        (b'{"keys": [], "x": NaN}', "NaN"),
        (b'{"keys": [], "x": ' + b"9" * 5_000 + b"}", "digits"),
        (b'{"keys": ' + b"[" * 500_000, "too deeply"),
        (b'{"a":' * 150_000, "too deeply"),
        (b'{"keys": "' + b"x" * 10_000_000 + b'"}', "longer than"),
        (b'{"keys": ["\xff"]}', "utf-8"),
        ('{"keys": []}'.encode("utf-16"), "utf-8"),
        (json.dumps({"keys": [OKP] * 101}).encode(), "at most 100"),
    ],
)
def test_what_is_no_key_set_is_refused_as_a_whole(document, text):
    with pytest.raises(ValueError, match=text):
        keys.parse(document)


def test_a_byte_order_mark_is_no_fault():
    assert keys.parse(b"\xef\xbb\xbf" + json.dumps({"keys": [OKP]}).encode()) == parse(OKP)


def test_two_keys_under_one_kid_spoil_the_set():
    with pytest.raises(ValueError, match="share a kid"):
        parse(RSA, RSAKey.generate_key(2048, {"kid": RSA["kid"]}).as_dict())


def test_two_keys_under_one_kid_are_told_apart_by_algorithm():
    found = parse(RSA | {"kid": "k"}, EC | {"kid": "k"})
    assert [found.find("k", name) is not None for name in ("RS256", "ES256", "ES384")] == [True, True, False]


def test_one_key_listed_twice_is_one_key():
    found = parse(RSA | {"alg": "RS256"}, RSA, RSA | {"kid": "other"})
    assert found.find(RSA["kid"], "RS256") is not None
    assert found.find("", "RS256") is not None


@pytest.mark.parametrize(
    ("entries", "kid", "algorithm", "identity"),
    [
        ([RSA], RSA["kid"], "RS256", RSA_THUMBPRINT),
        ([RSA], RSA["kid"].upper() + " ", "RS256", None),
        ([RSA], "../../etc/passwd", "RS256", None),
        ([RSA], "' OR 1=1 --", "RS256", None),
        ([RSA], "x" * 1_000_000, "RS256", None),
        ([RSA], RSA["kid"], "HS256", None),
        ([RSA], RSA["kid"], "none", None),
        ([RSA], RSA["kid"], "ES256", None),
        ([RSA], "", "RS256", RSA_THUMBPRINT),
        ([RSA, EC], "", "RS256", RSA_THUMBPRINT),
        ([RSA, RSAKey.generate_key(2048).as_dict()], "", "RS256", None),
        ([OKP], "", "EdDSA", OKP_THUMBPRINT),
        ([OKP], "k", "EdDSA", None),
    ],
)
def test_a_key_is_found_by_kid_and_algorithm_or_by_being_the_only_one(entries, kid, algorithm, identity):
    found = parse(*entries).find(kid, algorithm)
    assert (found.identity if found else None) == identity


def test_equal_sets_are_equal_whatever_else_is_in_them():
    assert parse(RSA, EC) == parse(EC | {"x5t": "AA"}, RSA | {"use": "sig"}, {"kty": "oct"})
    assert parse(RSA) != parse(RSA | {"kid": "2011-04-30"})
    assert parse(RSA) != parse(RSA | {"alg": "RS256"})


JUNK: list[Any] = [
    None,
    -1,
    1.5,
    True,
    [],
    {},
    ["verify"],
    ["sign", 1],
    "",
    "AA",
    "AQAB",
    "=",
    "\0",
    "é",
    "\ud800",
]
WORDS = ["RSA", "EC", "OKP", "oct", "RS256", "EdDSA", "P-256", "P-384", "Ed25519", "X448", "sig", "enc"]
FIELDS = [*RSA, *EC, "use", "key_ops", "alg", "x5u", "x5c", "x5t", "iat", "oth", "k"]


@given(
    st.sampled_from([RSA, EC, OKP]),
    st.dictionaries(st.sampled_from(FIELDS), st.sampled_from(JUNK + WORDS), max_size=3),
)
def test_no_key_however_broken_does_more_than_fall_out(entry, changes):
    found = parse(entry | changes, OKP | {"kid": "good"})
    assert found.find("good", "EdDSA") is not None
