"""Opaque tokens of a real Hydra and a real Keycloak, through real Envoys and the real authorizer."""

import pytest

from authz.local import token as tokens
from tests.servers import until

pytestmark = pytest.mark.slow


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_an_active_token_passes_and_the_workload_learns_who_it_is(site, hydra):
    answer = site.ask("opaque", "/", **bearer(hydra.token()))
    assert answer.status == 200
    assert answer.document["headers"]["x-auth-subject"] == "shop-robot"
    assert answer.document["headers"]["x-auth-scopes"] == "notes:read"


@pytest.mark.parametrize(
    ("host", "token"),
    [("opaque", "ory_at_made_up"), ("opaque", "eyJ.not.a_jwt"), ("readers", None), ("stranger", None)],
)
def test_what_is_not_active_here_is_refused(site, hydra, host, token):
    """`readers` wants another audience, `stranger` another issuer than the one that answered."""
    answer = site.ask(host, "/", **bearer(token or hydra.token()))
    assert answer.status == 401
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_a_token_without_the_scope_gets_403_and_is_told_which(site, hydra):
    answer = site.ask("writers", "/", **bearer(hydra.token("notes:read")))
    assert answer.status == 403
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    assert 'scope="notes:write"' in answer.headers["www-authenticate"]
    assert site.ask("writers", "/", **bearer(hydra.token("notes:read notes:write"))).status == 200


def test_a_revoked_token_stops_working_within_its_time_in_the_cache(site, hydra):
    token = hydra.token()
    assert site.ask("opaque", "/", **bearer(token)).status == 200
    hydra.revoke(token)
    until(lambda: site.ask("opaque", "/", **bearer(token)).status == 401)  # it would be good for an hour


def test_keycloak_is_asked_where_its_metadata_say(site):
    token = tokens.of_keycloak(site.laptop.ports.keycloak - 9500)
    assert site.ask("keycloak", "/", **bearer(token)).status == 200
    assert site.ask("keycloak", "/", **bearer(token[:-4])).status == 401


def test_a_token_of_keycloak_is_also_believed_by_its_signature(site):
    token = tokens.of_keycloak(site.laptop.ports.keycloak - 9500)
    answer = site.ask("notes", "/", **bearer(token))
    assert answer.status == 200
    assert "x-auth-subject" in answer.document["headers"]


def test_who_can_not_show_who_it_is_learns_nothing_and_blames_no_caller(site):
    """Keycloak answers 401 to the authorizer, which is not the caller's fault."""
    token = tokens.of_keycloak(site.laptop.ports.keycloak - 9500)
    assert site.ask("impostor", "/", **bearer(token)).status == 503


def test_while_hydra_is_down_nothing_new_passes(site, hydra):
    known, new = hydra.token(), hydra.token()
    assert site.ask("opaque", "/", **bearer(known)).status == 200
    hydra.stop()
    try:
        answer = site.ask("opaque", "/", **bearer(new))
        assert answer.status == 503
        assert "retry-after" in answer.headers
        until(lambda: site.ask("opaque", "/", **bearer(known)).status == 503)
    finally:
        hydra.start()
    until(lambda: site.ask("opaque", "/", **bearer(hydra.token())).status == 200)
