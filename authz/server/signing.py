"""The keys of identity tokens: read from files, again when these change, and published as a JWK Set.

A change that can not be used changes nothing: tokens go on being signed with the last good keys.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from authz.core import keyring
from authz.core.assertion import Signer
from authz.core.keyring import Keyring, SigningKey
from authz.server import admin, reload
from authz.tokens import IdentityTokens

CLOCKS_S = 60.0  # verifiers may tolerate as much after a token's end, as Envoy does
FILE_MAX_BYTES = 16_384  # a key of 8,192 bits takes 6,500

_SUFFIXES = (".pem", ".key")

_log = structlog.get_logger()


class Signing:
    """`signer` serves for ever; the keys that it signs with follow the files."""

    def __init__(self, settings: IdentityTokens, clock: Callable[[], float] = time.time) -> None:
        """Raises OSError if a file can not be read or used."""
        self._paths = settings.keys
        self._clock = clock
        ring = Keyring(lead_s=settings.publish_ahead, life_s=settings.ttl + CLOCKS_S)
        self.signer = Signer(settings.issuer, settings.ttl, ring.follow(_read(self._paths), clock()))

    @property
    def files(self) -> list[Path]:
        """All that are read now."""
        return _expand(self._paths)

    def reload(self) -> list[str]:
        """Read the files again, and name the keys in them. Raises OSError, and what was read before stays."""
        keys = _read(self._paths)
        self.signer.keyring = self.signer.keyring.follow(keys, self._clock())
        return [key.kid for key in keys]

    def jwks(self) -> dict[str, Any]:
        """The JWK Set (RFC 7517 5) of what may have signed a token that lives, or is about to sign."""
        return {"keys": [key.public for key in self.signer.keyring.published(self._clock())]}


@asynccontextmanager
async def kept(
    signing: Signing | None, address: str | None, period_s: float = reload.PERIOD_S
) -> AsyncIterator[None]:
    """Look at the files every `period_s` meanwhile, and publish the keys at `address` if there is one.

    Raises OSError if it is taken.
    """
    if signing is None:
        yield
        return
    server = admin.Server(admin.published(signing.jwks), address) if address else None
    if server:
        await server.start()
    seen = reload.fingerprint(signing.files)
    following = asyncio.create_task(
        reload.loop(lambda: signing.files, lambda: _reload(signing), seen, period_s)
    )
    try:
        yield
    finally:
        following.cancel()
        if server:
            await server.stop()


async def _reload(signing: Signing) -> None:
    try:
        kids = signing.reload()
    except OSError as error:
        _log.error("identity tokens keep their last good keys", problem=str(error))
    else:
        _log.info("keys of identity tokens loaded", kids=kids)


def problems(settings: IdentityTokens) -> list[str]:
    """What keeps the keys from being used."""
    try:
        if settings.keys:
            _read(settings.keys)
    except OSError as error:
        return [str(error)]
    return []


def _read(paths: Iterable[Path]) -> list[SigningKey]:
    """In the order of their names: the first signs after a start. Raises OSError that names the file."""
    files = _expand(paths)
    if not files:
        raise OSError(f"identityTokens.keys: there is no key in {', '.join(map(str, paths))}")
    return [_key(file) for file in files]


def _expand(paths: Iterable[Path]) -> list[Path]:
    """Hidden files are left out: a mounted Secret keeps its versions there."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() and os.access(path, os.R_OK | os.X_OK) else [path]
        found += [
            file
            for file in inside
            if file == path or (file.suffix in _SUFFIXES and not file.name.startswith("."))
        ]
    return found


def _key(file: Path) -> SigningKey:
    """What is no regular file is not waited for."""
    try:
        return keyring.parse(b"" if file.is_fifo() else file.read_bytes()[:FILE_MAX_BYTES])
    except (OSError, ValueError) as error:
        raise OSError(f"identityTokens.keys: {file}: {error}") from error
