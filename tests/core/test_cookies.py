"""A session's cookies among others: found whole, refused when there are two, kept from the workload."""

import pytest

from authz.core import cookies
from authz.core.cookies import COOKIES_MAX_LENGTH
from authz.core.reason import Reason, Refused

NAME = "__Host-s"


def found(header, name=NAME):
    try:
        return cookies.session(header, name)
    except Refused as refused:
        return refused.reason


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", None),
        ("a=1", None),
        ("__Host-s=x", "__Host-s=x"),
        ("a=1; __Host-s=x; b=2", "__Host-s=x"),
        ("a=1;__Host-s=x;b=2", "__Host-s=x"),
        ("  __Host-s =x ; b=2", "__Host-s=x"),
        ("__Host-s=a|1|x==", "__Host-s=a|1|x=="),
        ("__Host-s_0=x; a=1; __Host-s_1=y", "__Host-s_0=x; __Host-s_1=y"),
        ("__Host-s_csrf=x; __Host-s_ab_csrf=y", None),  # of a login under way
        ("__Host-sX=x; X__Host-s=y; __host-s=z", None),
        ("__Host-s_123=x; __Host-s_=y; __Host-s_a=z", None),
        ("a=__Host-s; b=__Host-s=x", None),
        ("__Host-s=", "__Host-s="),
        ("__Host-s", "__Host-s="),
        ("a=1,2; __Host-s=x", "__Host-s=x"),
        ("__Host-s,a=1", Reason.CREDENTIAL_AMBIGUOUS),
        ("a=1,__Host-s", Reason.CREDENTIAL_AMBIGUOUS),
        ("a=1,b=2,__Host-s=x", Reason.CREDENTIAL_AMBIGUOUS),
        # What oauth2-proxy would not read
        ("__Host-s=x y", None),
        ('__Host-s="x"', None),
        ("__Host-s=ü", None),
        ("__Host-s=x\\y; __Host-s_0=z", "__Host-s_0=z"),
        ("__Host-s=\x01", None),
        # Two of a name, or what could be two
        ("__Host-s=x; __Host-s=y", Reason.CREDENTIAL_AMBIGUOUS),
        ("__Host-s=x; __Host-s=x", Reason.CREDENTIAL_AMBIGUOUS),
        ("__Host-s_0=x; __Host-s_0=y", Reason.CREDENTIAL_AMBIGUOUS),
        ("__Host-s=x,a=1", Reason.CREDENTIAL_AMBIGUOUS),
        ("a=1,__Host-s=x", Reason.CREDENTIAL_AMBIGUOUS),
        ("a=1, __Host-s=x", Reason.CREDENTIAL_AMBIGUOUS),
        ("__Host-s=x,__Host-s=y", Reason.CREDENTIAL_AMBIGUOUS),
        ("__Host-s=x,y", Reason.CREDENTIAL_AMBIGUOUS),
        ("__Host-s=" + "x" * COOKIES_MAX_LENGTH, Reason.TOKEN_TOO_LONG),
    ],
)
def test_a_session_is_found_whole_or_not_at_all(header, expected):
    assert found(header) == expected


def test_a_name_is_taken_to_the_letter():
    assert found("axb=1; a.b=2", "a.b") == "a.b=2"


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ""),
        ("a=1", "a=1"),
        ("__Host-s=x", ""),
        ("__Host-s=x; a=1", "a=1"),
        ("a=1;__Host-s=x ;b=2; ", "a=1;b=2"),
        ("__Host-s=x;__Host-s_0=y;a=1", "a=1"),
        ("__Host-s", ""),
        ("__Host-s ; a", "a"),
        ("\t__Host-s\t=x;a=1", "a=1"),
        ("a=1; __Host-s_0=x; __Host-s_11=y; t=2", "a=1; t=2"),
        ("__Host-s_csrf=x; __Host-s_a1b2_csrf=y; a=1", "a=1"),
        ("__Host-s_a1-b2_c3_csrf=x; __Host-s_jqYtV8p__csrf=y; a=1", "a=1"),
        ("other=x; a=1", "a=1"),
        ("__Host-sX=x; s=y; __Host-s_data=z", "__Host-sX=x; s=y; __Host-s_data=z"),
        # A comma: whoever reads a cookie behind it must not find one
        ("a=1,__Host-s=x; b=2", "b=2"),
        ("__Host-s=x,a=1; b=2", "b=2"),
        ("a=1,2; b=2; __Host-s=x", "a=1,2; b=2"),
        ("a=1, b=2 ,__Host-s; c=3", "c=3"),
        ("__Host-s,a=1; c=3", "c=3"),
        ("a=1,__Host-s_0=x,b=2; c=3", "c=3"),
        ("__Host-s=x; __Host-s=y", ""),
    ],
)
def test_the_workload_sees_no_session_of_the_host(header, expected):
    assert cookies.without(header, (NAME, "other")) == expected
