"""A JSON Web Key Set (RFC 7517), reduced to the keys that may verify a signature.

Private, symmetric and encryption keys are left out; so are keys too weak for any algorithm.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

from authz.core import strict

# RFC 7518 3.3 to 3.5: the key type, and the curve where there is one, that each algorithm needs.
_FITS = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
} | {f"{family}{size}": ("RSA", "") for family in ("RS", "PS") for size in (256, 384, 512)}

# RFC 7518 6.2.2, 6.3.2, 6.4.1 and RFC 8037 2: whoever publishes one of these has published a secret.
_SECRET = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

RSA_MAX_EXPONENT = 2**32  # nearly all use 65537 (NIST SP 800-56B 6.2 allows up to 2**256)
RSA_MIN_BITS = 2048  # RFC 7518 3.3
VALUE_MAX_LENGTH = 1_400  # an RSA modulus of 8192 bits; what a longer one costs falls on every caller
KEYS_MAX = 100  # published sets hold two to ten keys


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. `identity` (RFC 7638 thumbprint) names it in caches, `kid` only finds it."""

    kid: str
    identity: str
    algorithms: frozenset[str]
    public: RSAKey | ECKey | OKPKey = field(compare=False, repr=False)  # `identity` stands for it


@dataclass(frozen=True, slots=True)
class KeySet:
    """The one key for each `kid` and algorithm; the empty `kid` names all keys, if just one fits."""

    keys: Mapping[tuple[str, str], Key]

    def find(self, kid: str, algorithm: str) -> Key | None:
        """The one key that fits. Without `kid` any fitting key will do if it is the only one."""
        return self.keys.get((kid, algorithm))


def parse(document: bytes) -> KeySet:
    """Read a JWK Set. Raises ValueError where it is not one, or where nothing in it is usable."""
    entries = strict.read(document).get("keys")
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise ValueError(f"not a JWK Set of at most {KEYS_MAX} keys")
    return _indexed(key for entry in entries if (key := _key(entry)))


def _indexed(keys: Iterable[Key]) -> KeySet:
    """RFC 7517 4.5: one name for two keys is fine as long as the algorithm tells them apart."""
    found: dict[tuple[str, str], dict[str, Key]] = {}
    for key in keys:
        for name in product({key.kid, ""}, key.algorithms):
            found.setdefault(name, {})[key.identity] = key
    if not found:
        raise ValueError("no key in the set can verify a signature")
    if any(kid and len(same) > 1 for (kid, _), same in found.items()):
        raise ValueError("two keys share a kid")
    fitting = {name: tuple(same.values()) for name, same in found.items()}
    return KeySet({name: same[0] for name, same in fitting.items() if len(same) == 1})


def _key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or not _for_signatures(entry):
        return None
    try:
        public = import_key(entry)
        algorithms = _algorithms(public, entry.get("alg"))
        if not algorithms or not isinstance(public, RSAKey | ECKey | OKPKey):
            return None
        return Key(entry.get("kid", ""), public.thumbprint(), algorithms, public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None  # a key of another kind or a broken one: the rest of the set still stands


def _for_signatures(entry: dict[str, Any]) -> bool:
    """RFC 7517 4.2 and 4.3; a key shown with private or symmetric material earns no trust."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and not _SECRET & entry.keys()
        and not any(isinstance(value, str) and len(value) > VALUE_MAX_LENGTH for value in entry.values())
    )


def _algorithms(public: Any, named: Any) -> frozenset[str]:
    """What the key may verify: all that its type and curve fit, or the one it names (RFC 7517 4.4)."""
    if public.key_type == "RSA" and not _is_sound(public.public_key):
        return frozenset()
    curve = getattr(public, "curve_name", "")
    fitting = {name for name, fits in _FITS.items() if fits == (public.key_type, curve)}
    return frozenset(fitting if named is None else fitting & {named})


def _is_sound(public: RSAPublicKey) -> bool:
    """Strong, and quick to verify with: an exponent of full size takes a hundred times as long."""
    return public.key_size >= RSA_MIN_BITS and public.public_numbers().e <= RSA_MAX_EXPONENT
