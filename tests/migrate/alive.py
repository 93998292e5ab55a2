"""Old rules brought to life: their addresses on loopback, Oathkeeper's rules as Kyma made them, tokens.

The names in the documents lead nowhere; here each issuer has keys, and Hydra stands for all that introspect.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joserfc.jwk import RSAKey

from authz.local.idp.issuer import Issuer
from authz.local.ports import LOOPBACK
from authz.migrate.old.rule import Handler, Old, World
from authz.migrate.verification.wallet import Credential
from tests.migrate import ory
from tests.migrate.ory import Hydra, Issuers

ROBOT = ("robot", "robot-secret")
GATEWAY = ("gateway", "not-real")  # as whom the corpus has Oathkeeper ask
JWT_ROBOT = ("jwt-robot", "jwt-robot-secret")
SCOPES = "read write admin api notes:read notes:write shop.read shop.write a b scope_a scope_b"
AUDIENCES = ["shop", "cart", "x", "y"]
ORDINARY = {  # what Oathkeeper's controller writes where a Rule is silent
    "authenticators": [{"handler": "unauthorized"}],
    "authorizer": {"handler": "deny"},
    "mutators": [{"handler": "noop"}],
}
_KEYS = ("jwks_urls", "jwksUri")
_ISSUERS = ("trusted_issuers", "issuer")


class Addresses:
    """What each address of a document is here."""

    def __init__(self, issuers: Issuers, hydra: Hydra, folder: Path) -> None:
        self._issuers = issuers
        self.hydra = hydra
        self.keys = folder / "keys.json"  # with which Oathkeeper signs
        key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self.keys.write_text(json.dumps({"keys": [key.as_dict(private=True)]}))
        self.known: dict[str, str] = {}  # the issuer of each key set and endpoint

    def moved(self, value: Any, key: str = "", beside: Mapping[str, Any] | None = None) -> Any:
        """The same document. `beside` is what stands next to the value."""
        if isinstance(value, Mapping):
            return {name: self.moved(one, name, value) for name, one in value.items()}
        if isinstance(value, list):
            return [self.moved(one, key, beside) for one in value]
        if key == "jwks_url":
            return f"file://{self.keys}"
        if not isinstance(value, str) or not value.startswith(("http://", "https://")):
            return value
        if value.startswith(f"http://{LOOPBACK}:"):  # it lives already
            return value
        return self._address(value, key, "introspection_url" in (beside or {}))

    def _address(self, url: str, key: str, introspected: bool) -> str:
        if key in _KEYS:
            made = self._issuers.jwks_url(_name(url))
            self.known[made] = self._issuers.issuer(_name(url)).url
            return made
        if key in _ISSUERS:
            return self.hydra.issuer if introspected else self._issuers.issuer(_name(url)).url
        if key == "introspection_url":
            self.known[self.hydra.introspection] = self.hydra.issuer
            return self.hydra.introspection
        if key == "token_url":
            return f"{self.hydra.issuer}/oauth2/token"
        return url


def _name(url: str) -> str:
    """One issuer for each host, and for each realm of a Keycloak."""
    parts = urlsplit(url)
    realm = re.match(r".*/realms/([^/]+)", parts.path)
    return re.sub(r"[^a-z0-9]+", "-", f"{parts.hostname}-{realm[1] if realm else ''}".lower()).strip("-")


def access_rules(world: World) -> list[dict[str, Any]]:
    """As Kyma's controller made them of APIRules; others as they stand."""
    made = [rule for rule in world.rules if rule.origin.kind == "APIRule" and rule.by_oathkeeper]
    return [_access_rule(rule) for rule in made if _is_expression(rule.path.text)] + [
        _plain(one.body, one.origin.key) for one in world.objects if one.origin.kind != "APIRule"
    ]


def _access_rule(rule: Old) -> dict[str, Any]:
    return ory.access_rule(
        f"<http|https>://{_full(rule.hosts[0].text)}<{rule.path.text}>",
        *map(_handler, rule.authenticators),
        methods=rule.methods,
        mutators=[*map(_handler, rule.mutators)] or ory.NOOP,
        id=f"{rule.origin.key}-{rule.index}",
    )


def _full(host: str) -> str:
    return host if "." in host else f"{host}.example.com"  # as `worlds` has the gateways' domain


def _is_expression(text: str) -> bool:
    """With a broken one among its rules Oathkeeper answers 500 to everybody."""
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _handler(one: Handler) -> dict[str, Any]:
    return {"handler": one.name, **({"config": dict(one.config)} if one.config else {})}


def _plain(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A custom resource is an access rule with its spec inside, and camel case."""
    spec = body.get("spec", body)
    return {
        "id": name,
        **(ORDINARY if "spec" in body else {}),
        **{key: value for key, value in spec.items() if key != "configMapName"},
        "upstream": {"url": "http://127.0.0.1:9"},
    }


def credentials(issuers: Issuers, hydra: Hydra) -> list[Credential]:
    """Good ones of each issuer, and each way not to be."""
    return [one for issuer in issuers.all() for one in _signed(issuer)] + list(_of_hydra(hydra))


def _signed(issuer: Issuer) -> Iterator[Credential]:
    now = int(time.time())
    good = {"iss": issuer.url, "sub": "alice", "iat": now - 5, "exp": now + 3600, "aud": AUDIENCES}
    good |= {"scope": SCOPES, "email": "alice@example.com"}
    changes: dict[str, dict[str, Any]] = {
        "good": {},
        "other scope": {"scope": "nothing"},
        "part of the scopes": {"scope": SCOPES.split(maxsplit=1)[0]},
        "scopes as a list": {"scope": None, "scp": SCOPES.split()},
        "scopes by another name": {"scope": None, "scopes": SCOPES},
        "no scope": {"scope": None},
        "other audience": {"aud": ["elsewhere"]},
        "one audience": {"aud": AUDIENCES[0]},
        "no audience": {"aud": None},
        "expired": {"exp": now - 600},
        "just expired": {"exp": now - 5},
        "not yet": {"nbf": now + 600, "iat": None},
        "issued later": {"iat": now + 600},
        "without an end": {"exp": None},
        "without a subject": {"sub": None},
        "without an issuer": {"iss": None},
        "of another issuer": {"iss": "https://elsewhere.example.com"},
        "an ID token": {"at_hash": "x"},
    }
    name = issuer.url.rpartition("/")[2]
    for what, changed in changes.items():
        said = {key: value for key, value in (good | changed).items() if value is not None}
        yield Credential(f"{name}: {what}", issuer.sign(said), issuer=issuer.url)
    yield Credential(f"{name}: no kid", issuer.sign(good, kid=""), issuer=issuer.url)
    yield Credential(f"{name}: another key", Issuer(issuer.url).sign(good, kid=issuer.kid), issuer=issuer.url)


def _of_hydra(hydra: Hydra) -> Iterator[Credential]:
    scopes = SCOPES.split()
    hydra.register(GATEWAY, "introspect")
    for client, strategy in ((ROBOT, "opaque"), (JWT_ROBOT, "jwt")):
        hydra.register(client, SCOPES, AUDIENCES, strategy)
        issuer = hydra.issuer if strategy == "jwt" else ""
        everything = hydra.token(SCOPES, " ".join(AUDIENCES), client)
        yield Credential(f"hydra: {strategy}", everything, issuer=issuer)
        yield Credential(f"hydra: {strategy}, one scope", hydra.token(scopes[0], "", client), issuer=issuer)
        yield Credential(f"hydra: {strategy}, no scope", hydra.token("", AUDIENCES[0], client), issuer=issuer)
        revoked = hydra.token(SCOPES, "", client)
        hydra.revoke(revoked, client)
        yield Credential(f"hydra: {strategy}, revoked", revoked, issuer=issuer)
    yield Credential("hydra: opaque, made up", "ory_at_made-up.made-up")
    yield Credential("robot's secret", ":".join(ROBOT), "basic")
    yield Credential("a wrong secret", f"{ROBOT[0]}:wrong", "basic")
