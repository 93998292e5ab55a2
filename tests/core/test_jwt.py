"""Reading and verifying a signed JWT."""

import json
from pathlib import Path

import pytest

from authz.core import jwt, keys
from authz.core.reason import Reason, Refused
from authz.core.token import Token
from tests import idp

SET = keys.parse(json.dumps(idp.public_keys()).encode())
GOOD = json.dumps(idp.CLAIMS)
VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text())
HEADER, PAYLOAD, SIGNATURE = idp.sign(idp.CLAIMS).split(".")


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "PS256", "ES256", "EdDSA"])
def test_a_good_token_is_read_and_verified(algorithm):
    token = Token(idp.sign(idp.CLAIMS, algorithm))
    jws = jwt.parse(token)
    assert (jws.algorithm, jws.kind, jws.claims) == (algorithm, "at+jwt", idp.CLAIMS)
    key = SET.find(jws.kid, algorithm)
    assert key is not None
    jwt.verify(token, algorithm, key)


def test_kid_and_type_may_be_absent():
    jws = jwt.parse(Token(idp.sign(idp.CLAIMS, kid=None, typ=None)))
    assert (jws.kid, jws.kind) == ("", "JWT")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",
        f"{HEADER}..{SIGNATURE}",
        f"{HEADER}=.{PAYLOAD}.{SIGNATURE}",
        f"{HEADER}.{PAYLOAD}+.{SIGNATURE}",
        f"{HEADER}.a.{SIGNATURE}",
        idp.glue("not json", GOOD),
        idp.glue("[]", GOOD),
        idp.glue('"text"', GOOD),
        idp.glue("null", GOOD),
        idp.glue('{"alg":"RS256","alg":"none"}', GOOD),
        idp.glue("{}", GOOD),
        idp.glue('{"alg":7}', GOOD),
        idp.glue('{"alg":"RS256","kid":7}', GOOD),
        idp.glue('{"alg":"RS256","typ":[]}', GOOD),
        idp.glue('{"alg":"RS256","crit":["exp"],"exp":1}', GOOD),
        idp.glue('{"alg":"RS256","b64":false}', GOOD),
        idp.glue('{"alg":"RS256","zip":"DEF"}', GOOD),
        idp.glue('{"alg":"RSA-OAEP","enc":"A128GCM"}', GOOD),
        idp.glue('{"alg":"RS256"}', '{"sub":"a","sub":"b"}'),
        idp.glue('{"alg":"RS256"}', '{"a":{"b":1,"b":2}}'),
        idp.glue('{"alg":"RS256"}', '{"exp":NaN}'),
        idp.glue('{"alg":"RS256"}', '{"exp":-Infinity}'),
        idp.glue('{"alg":"RS256"}', '{"exp":' + "9" * 5000 + "}"),
        idp.glue('{"alg":"RS256"}', '{"a":' + "[" * 5000 + "]" * 5000 + "}"),
        idp.glue('{"alg":"RS256"}', b'{"sub":"\xff"}'),
        idp.glue('{"alg":"RS256"}', "[]"),
        idp.glue('{"alg":"RS256"}', PAYLOAD),
    ],
)
def test_what_is_not_three_strict_parts_is_malformed(text):
    with pytest.raises(Refused) as refused:
        jwt.parse(Token(text))
    assert refused.value.reason is Reason.TOKEN_MALFORMED


@pytest.mark.parametrize(
    ("text", "algorithm"),
    [
        (f"{HEADER}.{PAYLOAD}.", "RS256"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-4]}", "RS256"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}AA", "RS256"),
        (f"{HEADER}.{idp.base64url(GOOD.replace('alice', 'admin'))}.{SIGNATURE}", "RS256"),
        (idp.stranger(idp.CLAIMS), "RS256"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}", "RS384"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}", "PS256"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}", "none"),
        (f"{HEADER}.{PAYLOAD}.{SIGNATURE}", "ES256"),
        (idp.hmac_with_public_key(idp.CLAIMS), "HS256"),
    ],
)
def test_a_wrong_signature_is_refused(text, algorithm):
    key = SET.find("rsa", "RS256")
    assert key is not None
    with pytest.raises(Refused) as refused:
        jwt.verify(Token(text), algorithm, key)
    assert refused.value.reason is Reason.SIGNATURE_INVALID


def test_a_signature_that_is_not_base64_is_malformed():
    key = SET.find("rsa", "RS256")
    assert key is not None
    with pytest.raises(Refused, match="TOKEN_MALFORMED"):
        jwt.verify(Token(f"{HEADER}.{PAYLOAD}.a"), "RS256", key)


@pytest.mark.parametrize("signature", [b"\0" * 64, b"\xff" * 64, b"\1" * 63, b""])
def test_degenerate_ecdsa_signatures_are_refused(signature):
    """CVE-2022-21449: r and s of zero."""
    key = SET.find("ec", "ES256")
    assert key is not None
    token = idp.glue('{"alg":"ES256"}', GOOD, signature=signature)
    with pytest.raises(Refused, match="SIGNATURE_INVALID"):
        jwt.verify(Token(token), "ES256", key)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["source"] for vector in VECTORS])
def test_the_examples_of_the_standards_verify(vector):
    key = keys.parse(json.dumps({"keys": [vector["key"]]}).encode()).find("", vector["algorithm"])
    assert key is not None
    jwt.verify(Token(vector["token"]), vector["algorithm"], key)


@pytest.mark.parametrize("vector", VECTORS[:2], ids=[vector["source"] for vector in VECTORS[:2]])
def test_the_examples_of_the_standards_are_read(vector):
    assert jwt.parse(Token(vector["token"])).claims == vector["claims"]
