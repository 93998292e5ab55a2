"""The authorizers that old rules need, as our configuration has them: the same for all that ask for the same.

A name tells the issuer, and by a digest what is asked, so that two conversions never mean two things by one.
"""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from authz.migrate.conversion.model.access import Secret, parts_of, plain_http_host
from authz.migrate.conversion.model.made import Made
from authz.migrate.report.rows import Ledger

NAME_MAX_LENGTH = 40  # of what is readable; names in APIRules and logs stay short
NOBODY = "nobody"
KEYS = "/etc/authz/identity"

Entry = Mapping[str, Any]


def entry(made: Made) -> dict[str, Any]:
    """The authorizer of a rule."""
    if made.is_shut:
        return {"name": NOBODY, "nobody": True}
    accept = [one for way in made.ways for one in way.accept]
    said: dict[str, Any] = {"accept": accept} if accept else {}
    if made.anonymous is not None:
        said["anonymous"] = {"subject": made.anonymous}
    if made.added.claims:
        said["identityHeaders"] = dict(made.added.claims)
    if made.added.token is not None:
        said["identityToken"] = dict(made.added.token)
    return {"name": _name(accept, said) if accept else _named("anonymous", said)} | said


def configuration(entries: Iterable[Entry], rules: Iterable[Made], ledger: Ledger) -> dict[str, Any]:
    """What our configuration needs for them."""
    found = {one["name"]: one for one in entries}
    made: dict[str, Any] = {"policy": {"kubernetes": {}}}
    if hosts := sorted({host for one in found.values() for host in _plain_hosts(one)}):
        made["sources"] = {"plainHttpHosts": hosts}
        message = "They are asked without TLS, as Oathkeeper did; no others may be."
        ledger.kept("new: sources.plainHttpHosts", message, new=hosts)
    if found:
        made["authorizers"] = [found[name] for name in sorted(found)]
    tokens = [one for one in rules if one.added.token is not None]
    if tokens:
        made["identityTokens"] = _identity_tokens(tokens)
    return made


def secrets(rules: Iterable[Made]) -> tuple[Secret, ...]:
    """All files that have to be mounted, each once."""
    found = {secret.path: secret for one in rules for way in one.ways for secret in way.secrets}
    return tuple(found[path] for path in sorted(found))


def _identity_tokens(tokens: list[Made]) -> dict[str, Any]:
    """One issuer for all (`clashes` has asked where there are several), and the shortest life."""
    lives = sorted({one.added.ttl for one in tokens}, key=len)
    return {
        "keys": [KEYS],
        "issuer": tokens[0].added.issuer or "https://authz.example.com",
        "ttl": _life(lives[0]),
    }


def _life(ttl: str) -> str:
    """Ten seconds at least, and an hour at most."""
    units = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
    unit = next((unit for unit in ("ms", "s", "m", "h") if ttl.endswith(unit)), "")
    number = ttl.removesuffix(unit)
    seconds = float(number) * units[unit] if unit and number.replace(".", "", 1).isdecimal() else 900
    return f"{min(max(int(seconds), 10), 3600)}s"


def _plain_hosts(one: Entry) -> Iterable[str]:
    for accept in one.get("accept", ()):
        for said in accept.values():
            for name in ("issuer", "jwksUri", "endpoint"):
                if host := plain_http_host(said.get(name, "")):
                    yield host


def _name(accept: Iterable[Entry], said: Entry) -> str:
    parts = [part for one in accept for kind, value in one.items() for part in (kind, _site(value))]
    return _named("-".join(dict.fromkeys(parts))[:NAME_MAX_LENGTH].strip("-"), said)


def _named(readable: str, said: Entry) -> str:
    return f"{readable}-{sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:6]}"


def _site(said: Entry) -> str:
    address = str(said.get("issuer") or said.get("oauth2Proxy") or "")
    host = (parts_of(address).hostname or address) if "//" in address else address
    return "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in host.lower()).strip("-")
