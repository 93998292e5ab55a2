"""The laptop's certificates: who they name, who signed them, who may read them."""

from datetime import UTC, datetime

import pytest
from cryptography import x509

from authz.local import certs

GATEWAY = "spiffe://cluster.local/ns/istio-system/sa/gateway"


@pytest.fixture
def issued(tmp_path):
    certs.issue(tmp_path / "certs", {"gateway": GATEWAY})
    return tmp_path / "certs"


def read(path):
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_a_certificate_names_one_spiffe_id(issued):
    names = read(issued / "gateway.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.UniformResourceIdentifier) == [GATEWAY]


def test_the_authority_signed_it(issued):
    read(issued / "gateway.pem").verify_directly_issued_by(read(issued / "ca.pem"))


def test_it_is_valid_for_a_week(issued):
    left = read(issued / "gateway.pem").not_valid_after_utc - datetime.now(UTC)
    assert 6 <= left.days <= 7


def test_only_the_owner_may_read_a_key(issued):
    assert (issued / "gateway.key").stat().st_mode & 0o777 == 0o600


def test_issuing_again_replaces_all(issued):
    before = (issued / "ca.pem").read_bytes()
    certs.issue(issued, {"gateway": GATEWAY})
    assert (issued / "ca.pem").read_bytes() != before
    read(issued / "gateway.pem").verify_directly_issued_by(read(issued / "ca.pem"))
