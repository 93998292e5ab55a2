"""Credentials: read from a file, forged, and never shown."""

import pytest

from authz.migrate.verification import wallet
from authz.migrate.verification.wallet import Credential, Invalid
from tests import idp

TOKEN = idp.sign(idp.claims())


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"good: {TOKEN}", ["token"]),
        ("- {name: a, token: opaque}\n- {name: b, basic: 'id:secret'}\n- {name: c, cookie: s=1}", None),
        ("[]", []),
    ],
)
def test_a_file_of_credentials_is_read(text, kinds):
    assert [one.kind for one in wallet.read(text)] == (
        ["token", "basic", "cookie"] if kinds is None else kinds
    )


def test_the_issuer_of_a_jwt_is_known():
    assert [one.issuer for one in wallet.read(f"good: {TOKEN}\nother: opaque")] == [idp.ISSUER, ""]


@pytest.mark.parametrize(
    "text",
    ["hunter2", "- hunter2", "- {name: x, password: hunter2}", "- {name: x}", "x: {hunter2: 1}", "{", "a: 1"],
)
def test_what_is_none_is_refused_and_not_repeated(text):
    with pytest.raises(Invalid) as caught:
        wallet.read(text)
    assert "hunter2" not in str(caught.value)


def test_forgeries_differ_from_what_they_are_made_of_and_say_how():
    good = Credential("good", TOKEN)
    made = list(wallet.forged([good, Credential("opaque", "x"), Credential("b", "a:b", "basic")]))
    assert len({one.text for one in made} | {TOKEN}) == len(made) + 1
    names = {one.name for one in made}
    assert {"garbage", "good, wrong signature", "good, alg none", "good, alg HS256"} <= names


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.W10.c", f"{TOKEN}.x"])
def test_what_is_no_jwt_claims_nothing(text):
    assert wallet.claims(text) == {}


def test_nothing_secret_is_printed():
    assert "secret" not in repr(Credential("name", "secret"))
