"""A certificate authority for one run, and a SPIFFE identity for each proxy, as Istio's CA would give it.

The keys are worth nothing outside the laptop: the CA's own is never written down.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_VALID = timedelta(days=7)  # nothing renews them: longer than anybody leaves a laptop running
_CLOCKS_DIFFER = timedelta(minutes=5)  # a clock may be set back while it runs, as after a sleep
_CA_NAME = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "authz laptop")])


def issue(directory: Path, identities: Mapping[str, str]) -> None:
    """Write `ca.pem`, and `<name>.pem` and `<name>.key` for each name.

    An identity is a SPIFFE ID: `spiffe://cluster.local/ns/NAMESPACE/sa/ACCOUNT`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    authority = ec.generate_private_key(ec.SECP256R1())
    _write(directory / "ca.pem", _pem(_authority(authority)))
    for name, identity in identities.items():
        key = ec.generate_private_key(ec.SECP256R1())
        _write(directory / f"{name}.pem", _pem(_certificate(identity, key, authority)))
        _write(directory / f"{name}.key", _private(key))


def key_pair(private: Path, public: Path) -> None:
    """Of a signer that shows no certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    _write(private, _private(key))
    _write(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    return _builder(_CA_NAME, key).add_extension(constraints, critical=True).sign(key, hashes.SHA256())


def _certificate(
    identity: str, key: ec.EllipticCurvePrivateKey, authority: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    """SPIFFE X.509-SVID 2: one URI; with it the subject may be empty, and the name is then critical."""
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        _builder(x509.Name([]), key)
        .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .sign(authority, hashes.SHA256())
    )


def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_CA_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCKS_DIFFER)
        .not_valid_after(now + _VALID)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes) -> None:
    """Never readable by others, not even between creation and chmod."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
