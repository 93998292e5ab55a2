"""The identity token: what is vouched for to a workload, as a signed JWT (RFC 7519, RFC 7515).

One token serves many requests of one caller to one audience, and never outlives the caller's credential.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc import jws

from authz.core import refusal
from authz.core.claims import ABSENT
from authz.core.decision import Allow, Decision, Vouched
from authz.core.identity import HEADER_MAX_LENGTH
from authz.core.keyring import Keyring
from authz.core.memo import Memo
from authz.core.policy import Policy
from authz.core.reason import Reason, Refused
from authz.core.request import Request

TOKENS_LENGTH = 4 << 20  # characters of all that are remembered: 5,000 usual ones; their callers weigh thrice

# Clocks of nodes differ by milliseconds, and many verifiers tolerate nothing (PyJWT, unless it is told to).
BACKDATED_S = 1

PAYLOAD_MAX_BYTES = HEADER_MAX_LENGTH * 2 // 3  # base64 adds a third, and there is a signature


@dataclass(frozen=True, slots=True)
class Signed:
    """A token that serves from `starts` until `renew`."""

    vouched: Vouched
    text: str = field(repr=False)
    starts: float
    renew: float


class Signer:
    """Signs, and remembers. `keyring` is replaced by one write when the keys change."""

    def __init__(self, issuer: str, ttl_s: float, keyring: Keyring) -> None:
        self.keyring = keyring
        self._issuer = issuer
        self._ttl_s = ttl_s
        self._memo = Memo[Signed](TOKENS_LENGTH)

    def seal(self, allow: Allow, policy: Policy, request: Request, now: float) -> Decision:
        """The same allowance with the token of who is vouched for; a refusal where there can be none."""
        if allow.vouched is None:
            return allow
        try:
            token = self.token(allow.vouched, now)
        except Refused as refused:
            return refusal.answer(policy, request, allow.rule, refused, allow.cookies)
        header = allow.vouched.token.header
        remove = tuple(name for name in allow.remove if name != header)
        return allow._replace(headers={**allow.headers, header: token}, remove=remove)

    def token(self, vouched: Vouched, now: float) -> str:
        """Raises Refused: TOKEN_EXPIRED where the credential is at its end, or IDENTITY_UNUSABLE.

        A caller is known again by being the same object, which sources give out as long as nothing changes.
        What is remembered holds it, so that no other can come by its `id`.
        """
        wanted = vouched.token
        key = (id(vouched.caller), id(wanted), wanted.audience or vouched.host)
        signed = self._memo.get(key)
        if signed is None or not signed.starts <= now < signed.renew:
            signed = self._sign(vouched, now)
            self._memo.put(key, signed, len(signed.text))
        return signed.text

    def _sign(self, vouched: Vouched, now: float) -> Signed:
        key = self.keyring.signing(now)
        starts = int(now) - BACKDATED_S
        expires = int(min(now + self._ttl_s, vouched.caller.claims.expires))
        if expires <= now:
            raise Refused(Reason.TOKEN_EXPIRED)
        times = {"iat": starts, "nbf": starts, "exp": expires}
        payload = _payload(claims(vouched, self._issuer) | times)
        header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
        text = jws.serialize_compact(header, payload, key.private, algorithms=[key.algorithm])
        return Signed(vouched, text, starts, now + (expires - now) / 2)


def claims(vouched: Vouched, issuer: str) -> dict[str, Any]:
    """All but the times. Raises Refused(IDENTITY_UNUSABLE) for a caller without a name."""
    caller, wanted = vouched.caller.claims, vouched.token
    subject = caller.all.get("sub")
    if not isinstance(subject, str) or not subject:
        raise Refused(Reason.IDENTITY_UNUSABLE)
    found = {name: caller.get(claim) for name, claim in wanted.claims.items()}
    told = {name: claim for name, claim in found.items() if claim is not ABSENT}
    return told | {"iss": issuer, "sub": subject, "aud": wanted.audience or vouched.host}


def _payload(told: Mapping[str, Any]) -> bytes:
    """Raises Refused(IDENTITY_UNUSABLE) for what is too long, or what other readers of JSON choke on."""
    try:
        payload = json.dumps(told, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError) as error:  # infinities; halves of a character; endless nesting
        raise Refused(Reason.IDENTITY_UNUSABLE) from error
    if len(payload) > PAYLOAD_MAX_BYTES:
        raise Refused(Reason.IDENTITY_UNUSABLE)
    return payload
