"""TLS for the gRPC port: certificates from files, read again when they change.

Clients can be asked for certificates too, and are known by the names in them.
"""

import ssl
import time
from pathlib import Path

from cryptography.x509 import load_pem_x509_certificates

from authz.config import Tls


class Certificates:
    """`context` serves for ever; each handshake takes the certificates that were read last.

    `ends_at` is when the first of them ends, seconds since the epoch.
    """

    def __init__(self, settings: Tls) -> None:
        """Raises OSError if a file can not be read or used."""
        self._settings = settings
        self._names = frozenset(settings.client_names)
        self._newest = self.context = _context(settings)
        self.ends_at = _ends_at(settings.cert_file)
        self._trusted_since = 0  # whole seconds since the epoch, as OpenSSL dates sessions
        self.context.sni_callback = self._take_newest

    @property
    def files(self) -> list[Path]:
        """All that is read."""
        named = (self._settings.cert_file, self._settings.key_file, self._settings.client_ca_file)
        return [file for file in named if file]

    def reload(self) -> None:
        """Read the files again. Raises OSError, and what was read before stays."""
        self._newest = _context(self._settings)
        self.ends_at = _ends_at(self._settings.cert_file)
        self._trusted_since = int(time.time())

    def admits(self, handshake: ssl.SSLObject) -> bool:
        """True if the client's certificate is trusted, and bears a listed name where a list is kept."""
        if self._settings.client_ca_file and self._is_outdated(handshake):
            return False
        shown: tuple[tuple[str, str], ...] = (handshake.getpeercert() or {}).get("subjectAltName", ())  # type: ignore[assignment]
        return not self._names or not self._names.isdisjoint(name for _, name in shown)

    def _is_outdated(self, handshake: ssl.SSLObject) -> bool:
        """It resumes a session whose certificate was judged by what was trusted before.

        OpenSSL keeps those of TLS 1.2, and `ssl` can not tell it not to; one that we hang up on is forgotten.
        """
        session = handshake.session
        return bool(handshake.session_reused and session and session.time <= self._trusted_since)

    def _take_newest(self, handshake: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        handshake.context = self._newest


def _ends_at(file: Path) -> float:
    """OpenSSL has read it before."""
    return min(one.not_valid_after_utc.timestamp() for one in load_pem_x509_certificates(file.read_bytes()))


def problems(settings: Tls | None) -> list[str]:
    """What keeps the files from being used."""
    try:
        if settings:
            Certificates(settings)
    except OSError as error:
        return [str(error)]
    return []


def _context(settings: Tls) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 9113 9.2
    context.set_alpn_protocols(["h2"])
    # No session is resumed by a ticket: that would admit clients by an authority that is no longer trusted.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    except OSError as error:  # ssl.SSLError is one
        raise OSError(f"listen.tls: {settings.cert_file} with {settings.key_file}: {error}") from error
    if settings.client_ca_file:
        context.verify_mode = ssl.CERT_REQUIRED
        try:
            context.load_verify_locations(settings.client_ca_file)
        except OSError as error:
            raise OSError(f"listen.tls.clientCaFile: {settings.client_ca_file}: {error}") from error
    return context
