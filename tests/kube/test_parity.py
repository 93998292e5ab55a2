"""Rules in CEL and in Python read the same values the same way: drawn at random, asked of both."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from authz.istio import pattern, syntax
from tests.istio.checks import PATH, RULES, changed, issued
from tests.kube import server

pytestmark = pytest.mark.slow

PATHS = st.lists(
    st.sampled_from(
        ["/", "/", "a", "{*}", "{**}", "*", ".", "..", ";x", "%2F", "%61", "%7e", "%", " ", "ä", "$"]
    ),
    max_size=7,
).map("".join)
HOSTS = st.lists(
    st.sampled_from(["a", "b1", "-", ".", "*.", "*", "_", "A", "com", "x" * 63, "example"]), max_size=6
).map("".join)
GATEWAYS = st.lists(st.sampled_from(["a", "b-1", "/", "-", ".", "A", "x" * 62]), max_size=5).map("".join)
URIS = st.lists(
    st.sampled_from(
        ["http", "https", "file", ":", "//", "idp", "/keys", " ", "*", "?", "#", "[", "%zz", "urn"]
    ),
    max_size=6,
).map("".join)

# where the value stands, what reads it, and whether the two must agree: if not, the API server takes more
KINDS = [
    (PATHS, lambda value: changed(PATH, value), pattern.parse, True),
    (HOSTS, lambda value: changed(("spec", "hosts"), [value]), syntax.host, True),
    (GATEWAYS, lambda value: changed(("spec", "gateway"), value), syntax.gateway, True),
    (URIS, lambda value: changed(RULES, issued(issuer=value)), syntax.issuer, False),
    (URIS, lambda value: changed(RULES, issued(jwksUri=value)), syntax.jwks_uri, False),
]


@pytest.mark.parametrize(
    ("values", "document", "reads", "alike"), KINDS, ids=["path", "host", "gateway", "issuer", "keys"]
)
def test_the_api_server_takes_what_we_take(kube, values, document, reads, alike):
    @given(values)
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def both_agree(value):
        taken, ours = is_taken(kube, document(value)), is_read(reads, value)
        assert taken == ours or (taken and not alike), (value, taken, ours)

    both_agree()


def is_taken(kube, document):
    try:
        kube.apply(document, dry_run=True)
    except server.Refused:
        return False
    return True


def is_read(reads, value):
    try:
        reads(value)
    except ValueError:
        return False
    return True
