"""Keys to sign with, over time: each is published before it signs, and until its last token is dead.

Times are seconds since the epoch. What the files hold comes in as a value, oldest first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey, RSAKey

from authz.core.keys import RSA_MIN_BITS

RSA_MAX_BITS = 4_096  # takes 2 ms to sign with, and a longer one eight times as long for each doubling


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`kid` is the RFC 7638 thumbprint: it names this key and no other, wherever it is read."""

    kid: str
    algorithm: str
    private: ECKey | RSAKey = field(compare=False, repr=False)

    @property
    def public(self) -> dict[str, Any]:
        """As a JWK (RFC 7517 4)."""
        return {**self.private.as_dict(private=False), "kid": self.kid, "alg": self.algorithm, "use": "sig"}


def parse(pem: bytes) -> SigningKey:
    """A private key as openssl writes it: P-256 is for ES256, RSA for RS256 (RFC 7518 3.3, 3.4).

    Raises ValueError that says what is wrong, and nothing of the key.
    """
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("is not a private key in PEM without a password") from error
    match private:
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            key = ECKey.import_key(private)
            return SigningKey(key.thumbprint(), "ES256", key)
        case RSAPrivateKey(key_size=size) if RSA_MIN_BITS <= size <= RSA_MAX_BITS:
            rsa = RSAKey.import_key(private)
            return SigningKey(rsa.thumbprint(), "RS256", rsa)
    raise ValueError(f"is neither a key on P-256 nor one of RSA with {RSA_MIN_BITS} to {RSA_MAX_BITS} bits")


@dataclass(frozen=True, slots=True)
class Held:
    """A key, seen first at `since` and last before `until`. The first of all has always been there."""

    key: SigningKey
    since: float
    until: float = inf


@dataclass(frozen=True, slots=True)
class Keyring:
    """A key signs once it was published for `lead_s`; a token lives for `life_s`, late clocks included."""

    lead_s: float
    life_s: float
    held: tuple[Held, ...] = ()

    def follow(self, keys: Sequence[SigningKey], now: float) -> "Keyring":
        """With the keys there are now, at least one.

        After a start nobody knows how long they have been there: the first signs, and the others once they
        have certainly been published for long enough.
        """
        there = {key.kid: key for key in keys}
        kept = [_seen(one, now, present=one.key.kid in there) for one in self._alive(now)]
        known = {one.key.kid for one in kept}
        new = [Held(key, now) for kid, key in there.items() if kid not in known]
        if not self.held:
            new[0] = replace(new[0], since=-inf)
        return replace(self, held=(*kept, *new))

    def signing(self, now: float) -> SigningKey:
        """The newest that everyone can know; one that has been taken away serves until there is one.

        None may be old enough where the clock was set back.
        """
        held = list(enumerate(self.held))
        ripe = [one for one in held if one[1].since + self.lead_s <= now]
        return max(ripe or held, key=lambda one: (one[1].until, one[0]))[1].key

    def published(self, now: float) -> tuple[SigningKey, ...]:
        """All that may have signed a token that lives, or may be about to sign."""
        return tuple(one.key for one in self._alive(now))

    def _alive(self, now: float) -> tuple[Held, ...]:
        """One that has been taken away is dead once another has signed for longer than a token lives."""
        ripe_s = self.lead_s + self.life_s
        if not any(one.until == inf and one.since + ripe_s <= now for one in self.held):
            return self.held
        return tuple(one for one in self.held if now < one.until + ripe_s)


def _seen(one: Held, now: float, *, present: bool) -> Held:
    return replace(one, until=inf if present else min(one.until, now))
