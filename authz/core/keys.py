"""A JSON Web Key Set (RFC 7517), reduced to the keys that may verify a signature.

Private, symmetric and encryption keys are left out; so are keys too weak for any algorithm.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key

# RFC 7518 3.3 to 3.5: the key type, and the curve where there is one, that each algorithm needs.
_FITS = {
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
} | {f"{family}{size}": ("RSA", "") for family in ("RS", "PS") for size in (256, 384, 512)}

RSA_MIN_BITS = 2048  # RFC 7518 3.3
KEYS_MAX = 100  # published sets hold two to ten keys


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. `identity` (RFC 7638 thumbprint) names it in caches, `kid` only finds it."""

    kid: str
    identity: str
    algorithms: frozenset[str]
    public: RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class KeySet:
    """Keys by `kid`; those without one stand under the empty name."""

    keys: Mapping[str, tuple[Key, ...]]

    def find(self, kid: str, algorithm: str) -> Key | None:
        """The one key that fits. Without `kid` any fitting key will do if it is the only one."""
        named = self.keys.get(kid, ()) if kid else [key for same in self.keys.values() for key in same]
        fitting = [key for key in named if algorithm in key.algorithms]
        return fitting[0] if len(fitting) == 1 else None


def parse(document: bytes) -> KeySet:
    """Read a JWK Set. Raises ValueError where it is not one, or where nothing in it is usable."""
    try:
        entries = json.loads(document)["keys"]
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a JWK Set") from error
    if not isinstance(entries, list) or len(entries) > KEYS_MAX:
        raise ValueError(f"not a JWK Set of at most {KEYS_MAX} keys")
    return _by_kid(key for entry in entries if (key := _key(entry)))


def _by_kid(keys: Iterable[Key]) -> KeySet:
    found: dict[str, tuple[Key, ...]] = {}
    for key in keys:
        same = found.get(key.kid, ())
        if key.kid and any(key.algorithms & other.algorithms for other in same):
            raise ValueError("two keys share a kid")
        found[key.kid] = (*same, key)
    if not found:
        raise ValueError("no key in the set can verify a signature")
    return KeySet(found)


def _key(entry: Any) -> Key | None:
    if not isinstance(entry, dict) or not _for_signatures(entry):
        return None
    try:
        public = import_key(entry)
        algorithms = _algorithms(public, entry.get("alg"))
        if not algorithms or not isinstance(public, RSAKey | ECKey | OKPKey):
            return None
        kid = entry.get("kid", "")
        return Key(kid if isinstance(kid, str) else "", public.thumbprint(), algorithms, public)
    except (JoseError, ValueError, TypeError, KeyError):
        return None  # a key of another kind or a broken one: the rest of the set still stands


def _for_signatures(entry: dict[str, Any]) -> bool:
    """RFC 7517 4.2 and 4.3; a set that shows private or symmetric material earns no trust in that key."""
    operations = entry.get("key_ops", ["verify"])
    return (
        entry.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and not {"d", "k"} & entry.keys()
    )


def _algorithms(public: Any, named: Any) -> frozenset[str]:
    curve = getattr(public, "curve_name", "")
    fitting = {name for name, fits in _FITS.items() if fits == (public.key_type, curve)}
    if public.key_type == "RSA" and public.public_key.key_size < RSA_MIN_BITS:
        return frozenset()
    return frozenset(fitting if named is None else fitting & {named})
