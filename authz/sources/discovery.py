"""What an issuer says of itself (OpenID Connect Discovery 1.0 section 4, RFC 8414).

A document is believed only about the issuer that it was asked of.
"""

from authz.core import strict
from authz.core.reason import Unavailable
from authz.sources.http import Client

PATH = "/.well-known/openid-configuration"


async def discover(client: Client, issuer: str, name: str = "jwks_uri") -> str:
    """The address that the issuer gives under this name. Raises Unavailable where it does not answer so."""
    if {"?", "#"} & set(issuer):  # section 3: an issuer has neither query nor fragment
        raise Unavailable("an issuer with a query or a fragment can not be asked for its metadata")
    document = await client.get(issuer.removesuffix("/") + PATH)
    try:
        return parse(document, issuer, name)
    except ValueError as error:
        raise Unavailable(f"the metadata of {issuer}: {error}") from error


def parse(document: bytes, issuer: str, name: str) -> str:
    """Raises ValueError unless the document speaks of exactly this issuer (4.3) and has the address."""
    fields = strict.read(document)
    if fields.get("issuer") != issuer:
        raise ValueError("it speaks of another issuer")
    address = fields.get(name)
    if not isinstance(address, str) or not address:
        raise ValueError(f"it names no {name}")
    if issuer.startswith("https:") and not address.startswith("https:"):
        raise ValueError(f"its {name} is not https, as the issuer is")
    return address
