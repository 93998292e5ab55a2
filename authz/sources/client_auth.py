"""Showing an authorization server who we are (RFC 6749 2.3.1, RFC 7523 2.2, RFC 8705 2), by authlib.

Files are looked at for each call, so that a rotated secret is used at once, and read where they are others.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote_plus

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from authz.core.policy import Client
from authz.core.reason import Unavailable

FILES_MAX = 256  # kept; one of each client
ASSERTION_S = 60  # as long as a call may take, and clocks may differ

_FORM = "application/x-www-form-urlencoded"
_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}


def signed(client: Client, issuer: str, form: str, now: float) -> tuple[dict[str, str], bytes]:
    """Headers and body of a POST that shows it. Raises Unavailable where a file can not be used."""
    try:
        auth = _auth(client, issuer, now)
    except (OSError, ValueError, JoseError) as error:
        raise Unavailable(
            f"the credentials of client {client.id} can not be used: {type(error).__name__}"
        ) from error
    headers: Mapping[str, str]
    _, headers, body = auth.prepare("POST", issuer, {"content-type": _FORM}, form)
    return {name.lower(): value for name, value in headers.items()}, body.encode()


def _auth(client: Client, issuer: str, now: float) -> ClientAuth:
    match client.auth:
        case "client_secret_basic":  # RFC 6749 2.3.1: both are form-encoded first
            return ClientAuth(quote_plus(client.id), quote_plus(_secret(client)), client.auth)
        case "client_secret_post":
            return ClientAuth(client.id, _secret(client), client.auth)
        case "private_key_jwt":
            return _assertion(client, issuer, now)
        case "tls_client_auth":  # RFC 8705 2: the certificate is shown by the connection
            return ClientAuth(client.id, None, "none")


def _secret(client: Client) -> str:
    """Files made by hand end in a line feed."""
    return _content(client.secret_file).decode().rstrip("\r\n")


def _assertion(client: Client, issuer: str, now: float) -> ClientAuth:
    """RFC 7523 3. The issuer as its one audience can not be replayed at another's endpoint."""
    key = _key(_content(client.key_file))
    algorithm = _ALGORITHMS[str(key.curve_name)] if isinstance(key, ECKey | OKPKey) else "RS256"
    times = {"iat": int(now), "exp": int(now) + ASSERTION_S}
    return ClientAuth(client.id, key, PrivateKeyJWT(issuer, claims=times, alg=algorithm))


@lru_cache(FILES_MAX)  # to parse one takes as long as a whole call
def _key(pem: bytes) -> RSAKey | ECKey | OKPKey:
    kinds: tuple[type[RSAKey | ECKey | OKPKey], ...] = (RSAKey, ECKey, OKPKey)
    for kind in kinds:
        try:
            return kind.import_key(pem)
        except (ValueError, JoseError, TypeError):
            continue
    raise ValueError("neither an RSA, an EC nor an OKP key")


def _content(file: Path | None) -> bytes:
    assert file is not None  # noqa: S101  # `accept` has checked what each way takes
    found = file.stat()
    return _read(file, found.st_ino, found.st_mtime_ns, found.st_size)


@lru_cache(FILES_MAX)
def _read(file: Path, *_which: int) -> bytes:
    """`_which` tells it from what has stood there before."""
    return file.read_bytes()
