"""The credentials that `verify` sends: those a person gives, and what an attacker would make of them.

Their text is sent and never shown; in reports they go by their names.
"""

import json
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from authz import documents

Kind = Literal["token", "basic", "cookie"]

NONE_NAME = "no credential"
SHAPE = "a list of {name: …, token | basic | cookie: …}, or a mapping of names to tokens, is expected"


class Invalid(Exception):
    """The file can not be used; the message says why and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A bearer token, `id:secret` for HTTP Basic, or `name=value` of a cookie.

    `issuer` is what a JWT claims, unverified; `forged` that we made it ourselves.
    """

    name: str
    text: str = field(default="", repr=False)
    kind: Kind = "token"
    issuer: str = ""
    forged: bool = False


NOTHING = Credential(NONE_NAME)


def read(text: str) -> list[Credential]:
    """Of a file in YAML or JSON. Raises Invalid."""
    try:
        read = documents.read(text)
    except documents.Malformed:
        raise Invalid("it is neither YAML nor JSON") from None
    written = read[0] if len(read) == 1 else None
    if isinstance(written, Mapping):
        written = [{"name": name, "token": token} for name, token in written.items()]
    if not isinstance(written, list):
        raise Invalid(SHAPE)
    return [_credential(index, one) for index, one in enumerate(written)]


def claims(text: str) -> Mapping[str, Any]:
    """What a JWT says, unverified; empty for anything else."""
    parts = text.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(_decoded(parts[1]))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def header(text: str) -> Mapping[str, Any]:
    """The header of a JWT, likewise."""
    return claims(f".{text.partition('.')[0]}.") if text.count(".") == 2 else {}


def forged(credentials: Iterable[Credential]) -> Iterator[Credential]:
    """What must never pass, made of what may: nothing here can be verified with any key."""
    yield Credential("garbage", "garbage", forged=True)
    yield Credential("three parts of nothing", "a.b.c", forged=True)
    for one in credentials:
        if one.kind == "token" and claims(one.text):
            yield from _forged(one)


def invented(issuers: Iterable[str], now: float) -> Iterator[Credential]:
    """A JWT of each issuer, with a key that nobody has."""
    for issuer in issuers:
        said = {"iss": issuer, "sub": "mallory", "aud": "any", "exp": int(now) + 600, "iat": int(now)}
        head = {"alg": "RS256", "kid": "nobody's", "typ": "at+jwt"}
        text = f"{_encoded(head)}.{_encoded(said)}.{_base64url(bytes(256))}"
        yield Credential(f"signed with nobody's key, as {issuer}", text, issuer=issuer, forged=True)


def basic(one: Credential) -> str:
    """As HTTP has it (RFC 7617)."""
    return "Basic " + b64encode(one.text.encode()).decode()


def _forged(one: Credential) -> Iterator[Credential]:
    head, payload, signature = one.text.split(".")
    middle = len(signature) // 2  # the last character may hold bits that nobody reads
    wrong = "A" if signature[middle : middle + 1] != "A" else "B"
    name = str(claims(one.text).get("sub", ""))
    other = _encoded({**claims(one.text), "sub": f"{name}-", "scope": "admin"})
    texts = {
        "wrong signature": f"{head}.{payload}.{signature[:middle]}{wrong}{signature[middle + 1 :]}",
        "other claims": f"{head}.{other}.{signature}",
        "alg none": f"{_encoded({**header(one.text), 'alg': 'none'})}.{payload}.",
        "alg HS256": f"{_encoded({**header(one.text), 'alg': 'HS256'})}.{payload}.{_base64url(bytes(32))}",
        "cut short": one.text[:-12],
    }
    for how, text in texts.items():
        yield Credential(f"{one.name}, {how}", text, issuer=one.issuer, forged=True)


def _credential(index: int, written: Any) -> Credential:
    if not isinstance(written, Mapping):
        raise Invalid(SHAPE)
    name, kinds = written.get("name"), sorted(set(written) - {"name"})
    if not isinstance(name, str) or len(kinds) != 1 or not isinstance(written[kinds[0]], str):
        raise Invalid(f"[{index}]: {SHAPE}")
    text = written[kinds[0]].strip()
    match kinds[0]:
        case "token":
            return Credential(name, text, issuer=str(claims(text).get("iss", "")))
        case "basic":
            return Credential(name, text, "basic")
        case "cookie":
            return Credential(name, text, "cookie")
        case _:
            raise Invalid(f"[{index}]: {SHAPE}")


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64url(json.dumps(value).encode())


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))
