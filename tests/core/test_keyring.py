"""Keys to sign with, over time: no verifier meets a key it can not know, whatever becomes of the files."""

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authz.core import keyring
from authz.core.keyring import Keyring, SigningKey

LEAD_S, LIFE_S = 100.0, 40.0
PRIVATE = ECKey.generate_key("P-256")
A, B, C = (SigningKey(name, "ES256", PRIVATE) for name in "abc")


def followed(*states):
    """A keyring through (time, keys there)."""
    ring = Keyring(LEAD_S, LIFE_S)
    for now, keys in states:
        ring = ring.follow(keys, now)
    return ring


def at(ring, now):
    return ring.signing(now).kid, "".join(key.kid for key in ring.published(now))


@pytest.mark.parametrize(
    ("states", "now", "expected"),
    [
        ([(0, [A])], 0, ("a", "a")),
        ([(0, [A, B])], 0, ("a", "ab")),
        ([(0, [A, B])], 100, ("b", "ab")),
        ([(0, [A, B, C])], 100, ("c", "abc")),
        ([(0, [A, A])], 100, ("a", "a")),
        ([(0, [A]), (10, [A, B])], 109, ("a", "ab")),
        ([(0, [A]), (10, [A, B])], 110, ("b", "ab")),
        ([(0, [A]), (10, [B, A])], 110, ("b", "ab")),
        ([(0, [A]), (10, [B])], 109, ("a", "ab")),
        ([(0, [A]), (10, [B])], 110, ("b", "ab")),
        ([(0, [A]), (10, [B])], 149, ("b", "ab")),
        ([(0, [A]), (10, [B])], 150, ("b", "b")),
        ([(0, [A]), (10, [A, B]), (200, [B])], 339, ("b", "ab")),
        ([(0, [A]), (10, [A, B]), (200, [B])], 340, ("b", "b")),
        ([(0, [A]), (10, [B]), (60, [C])], 159, ("b", "abc")),
        ([(0, [A]), (10, [B]), (60, [C])], 160, ("c", "abc")),
        ([(0, [A]), (10, [B]), (60, [C])], 200, ("c", "c")),
        ([(0, [A]), (10, [B]), (20, [A])], 120, ("a", "ab")),
        ([(0, [A]), (10, [B]), (200, [A])], 210, ("b", "ba")),
        ([(0, [A]), (10, [B]), (200, [B])], -5, ("b", "b")),
    ],
)
def test_a_key_is_published_before_it_signs_and_after(states, now, expected):
    assert at(followed(*states), now) == expected


steps = st.tuples(st.floats(0, 300), st.lists(st.sampled_from([A, B, C]), min_size=1, unique=True))


@given(st.lists(steps, min_size=1, max_size=12), st.lists(st.floats(0, 300), min_size=1, max_size=8))
def test_whoever_fetches_the_keys_once_in_the_lead_can_verify_every_token_as_long_as_it_lives(history, waits):
    seen = list(looks(history, sorted([0.0, *waits])))
    for time, kid, _ in seen:
        since = time - LEAD_S  # who fetched in that very moment may have come before the key did
        assert all(kid in kids for moment, _, kids in seen if since < moment < time + LIFE_S)


def looks(history, waits):
    """When it was looked, which key signs then, and which are published."""
    ring, now = Keyring(LEAD_S, LIFE_S), 0.0
    for pause, keys in history:
        now += pause
        ring = ring.follow(keys, now)
        for wait in waits:
            yield now + wait, ring.signing(now + wait).kid, {key.kid for key in ring.published(now + wait)}
        now += waits[-1]


def test_a_key_is_known_by_its_thumbprint_and_its_kind_tells_the_algorithm():
    ec, rsa = ECKey.generate_key("P-256"), RSAKey.generate_key(2048)
    pairs: list[tuple[ECKey | RSAKey, str]] = [(ec, "ES256"), (rsa, "RS256")]
    for key, algorithm in pairs:
        parsed = keyring.parse(key.as_pem(private=True))
        assert (parsed.kid, parsed.algorithm) == (key.thumbprint(), algorithm)
        public = key.as_dict(private=False)
        assert parsed.public == public | {"kid": parsed.kid, "alg": algorithm, "use": "sig"}
        assert "private" not in repr(parsed).lower()


def encrypted():
    kind = PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    return PRIVATE.private_key.private_bytes(Encoding.PEM, *kind)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ECKey.generate_key("P-384").as_pem(private=True),
        ECKey.generate_key("secp256k1").as_pem(private=True),
        OKPKey.generate_key("Ed25519").as_pem(private=True),
        RSAKey.generate_key(1024).as_pem(private=True),
        PRIVATE.as_pem(private=False),
        encrypted(),
    ],
)
def test_what_no_workload_could_trust_is_no_key(pem):
    with pytest.raises(ValueError, match="is n"):
        keyring.parse(pem)
