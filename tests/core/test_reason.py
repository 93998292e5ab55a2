"""What each outcome is, whoever is told of it."""

from authz.core.reason import Reason


def test_nothing_else_is_no_refusal():
    assert {reason.name for reason in Reason if reason.allows} == {
        "PUBLIC",
        "AUTHORIZED",
        "RESOURCE_DESCRIBED",
    }


def test_each_has_a_name_of_its_own_in_uris():
    assert Reason.TOKEN_EXPIRED.slug == "token-expired"
    assert len({reason.slug for reason in Reason}) == len(Reason)
