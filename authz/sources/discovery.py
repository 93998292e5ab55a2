"""What an issuer says of itself (OpenID Connect Discovery 1.0 section 4, RFC 8414).

A document is believed only about the issuer that it was asked of.
"""

from dataclasses import dataclass

from authz.core import strict
from authz.core.reason import Unavailable
from authz.sources.http import Client

PATH = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of the document that is used here."""

    issuer: str
    jwks_uri: str


async def discover(client: Client, issuer: str) -> Metadata:
    """Ask the issuer. Raises Unavailable where it does not answer, or not for itself."""
    if {"?", "#"} & set(issuer):  # section 3: an issuer has neither query nor fragment
        raise Unavailable("an issuer with a query or a fragment can not be asked for its keys")
    document = await client.get(issuer.removesuffix("/") + PATH)
    try:
        return parse(document, issuer)
    except ValueError as error:
        raise Unavailable(f"the metadata of {issuer}: {error}") from error


def parse(document: bytes, issuer: str) -> Metadata:
    """Raises ValueError unless the document speaks of exactly this issuer (4.3) and names its keys."""
    fields = strict.read(document)
    if fields.get("issuer") != issuer:
        raise ValueError("it speaks of another issuer")
    jwks_uri = fields.get("jwks_uri")
    if not isinstance(jwks_uri, str) or not jwks_uri:
        raise ValueError("it names no jwks_uri")
    if issuer.startswith("https:") and not jwks_uri.startswith("https:"):
        raise ValueError("its jwks_uri is not https, as the issuer is")
    return Metadata(issuer, jwks_uri)
