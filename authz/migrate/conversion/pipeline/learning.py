"""Issuers that nobody has named: found by OpenID Connect Discovery next to an address, or told by a token.

An answer is believed only if it names that very address; a token only if one of the keys there has signed it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from authz.core import jwt, keys, strict
from authz.core.reason import Refused, Unavailable
from authz.core.token import Token
from authz.migrate.conversion.model.access import Case
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.old.defaults import KYMA, NONE
from authz.migrate.old.rule import Old, Settings, World
from authz.migrate.report.rows import Ledger
from authz.sources import discovery
from authz.sources.http import Client

CANDIDATES_MAX = 6  # steps up from an address; an issuer's keys lie no deeper below it
URLS_MAX = 200  # addresses asked about: who has more names the issuers
AT_ONCE = 8

_NAMES = ("jwks_uri", "introspection_endpoint")


def unknown(world: World, choices: Choices) -> tuple[str, ...]:
    """The addresses of which a person would be asked who issues their tokens."""
    urls = [url for old in world.rules for url in _urls(old, world.settings, choices)]
    return tuple(dict.fromkeys(url for url in urls if url not in choices.issuers))


async def ask(urls: Iterable[str], tokens: Iterable[str] = ()) -> dict[str, str]:
    """As `learn`, by a client of its own."""
    client = Client()
    try:
        return await learn(client, urls, tokens)
    finally:
        await client.close()


async def learn(client: Client, urls: Iterable[str], tokens: Iterable[str] = ()) -> dict[str, str]:
    """Address to issuer, for those that can be told."""
    asked, held = list(urls)[:URLS_MAX], list(tokens)
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(url: str) -> str:
        async with gate:
            return await _of_tokens(client, url, held) or await _discovered(client, url)

    found = await asyncio.gather(*map(one, asked))
    return {url: issuer for url, issuer in zip(asked, found, strict=True) if issuer}


def candidates(url: str) -> tuple[str, ...]:
    """Issuers that may publish this address: what it lies below, nearest first."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ()
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return ()
    segments = [segment for segment in parts.path.split("/") if segment]
    above = ["/".join(segments[:count]) for count in range(len(segments) - 1, -1, -1)]
    bases = [f"{parts.scheme}://{parts.netloc}/{path}".rstrip("/") for path in above]
    return tuple(base for base in bases if not base.endswith("/.well-known"))[:CANDIDATES_MAX]


def _urls(old: Old, settings: Settings | None, choices: Choices) -> Iterable[str]:
    around = settings or (KYMA if old.origin.kind == "APIRule" else NONE)
    for handler in old.authenticators:
        case = Case(handler, "authenticators", around, choices, Ledger(old.origin))
        trusted = case.texts("trusted_issuers")
        if handler.name == "jwt" and not trusted:
            yield from case.texts("jwks_urls")
        elif handler.name == "oauth2_introspection" and len(trusted) != 1:
            yield from case.texts("introspection_url")


async def _discovered(client: Client, url: str) -> str:
    for base in candidates(url):
        try:
            said = strict.read(await client.get(base + discovery.PATH))
        except (Unavailable, ValueError):
            continue
        issuer = said.get("issuer")
        if (
            isinstance(issuer, str)
            and issuer.rstrip("/") == base
            and url in [said.get(name) for name in _NAMES]
        ):
            return issuer
    return ""


async def _of_tokens(client: Client, url: str, tokens: Iterable[str]) -> str:
    """The `iss` of a token that one of the keys at this address has signed."""
    held = [Token(text) for text in tokens]
    if not held:
        return ""
    try:
        found = keys.parse(await client.get(url))
    except (Unavailable, ValueError):
        return ""
    for token in held:
        try:
            signed = jwt.parse(token)
            key = found.find(signed.kid, signed.algorithm)
            if key is None:
                continue
            jwt.verify(token, signed.algorithm, key)
        except Refused:
            continue
        issuer = signed.claims.get("iss")
        if isinstance(issuer, str):
            return issuer
    return ""


def merged(choices: Mapping[str, str], learnt: Mapping[str, str]) -> dict[str, str]:
    """What a person has said stands."""
    return {**learnt, **choices}
