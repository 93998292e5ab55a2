"""What Envoy gets as it is written: what is taken, what is refused. A slow test asks the real one."""

import pytest

from authz.istio import headers

NAMES = [
    ("X-Team", True),
    ("x-team-%", True),
    ("accept", True),
    ("x-forwarded-host", True),
    ("x-envoyed", True),
    ("", False),
    ("a b", False),
    ("a\n", False),
    ("é", False),
    (":path", False),
    ("Host", False),
    ("authorization", False),
    ("Content_Length", False),
    ("transfer_encoding", False),
    ("connection", False),
    ("TE", False),
    ("upgrade", False),
    ("cookie", False),
    ("X_Auth-subject", False),
    ("X_Envoy-original-path", False),
    ("x-istio-attributes", False),
]

TEXTS = [
    ("", True),
    ('a b\tc, "d"; e=f', True),
    ("a" * 4_096, True),
    ("100%%", True),
    ("%REQ(x-team)%", True),
    ("%REQ(:authority?x-host):80%%PROTOCOL%", True),
    ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %START_TIME%", True),
    ("a" * 4_097, False),
    (" a", False),
    ("a\t", False),
    (" ", False),
    ("a\r\nb: c", False),
    ("a\n", False),
    ("a\0", False),
    ("\x7f", False),
    ("ä", False),
    ("\u2028", False),
    ("%", False),
    ("100%", False),
    ("%%%", False),
    ("%REQ(x", False),
    ("%REQ()%", False),
    ("%REQ(a?)%", False),
    ("%REQ(a?b?c)%", False),
    ("%REQ(a%)%", False),
    ("%REQ(a b)%", False),
    ("%REQ(a):%", False),
    ("%REQ(a):0%", False),
    ("%REQ(a):99999%", False),
    ("%REQ(a):-1%", False),
    ("%START_TIME(%s)%", False),
    ("%PROTOCOL():1%", False),
    ("%RESPONSE_CODE%", False),
    ("%ENVIRONMENT(HOME)%", False),
    ("%NO_SUCH_COMMAND%", False),
]

OCTETS = [
    ("", True),
    ("a=b|c:d/e?f", True),
    ("%REQ(x-team?:path):9%", True),
    ("%%", True),
    ("a b", False),
    ("a;b", False),
    ("a,b", False),
    ('"a"', False),
    ("a\\b", False),
    ("a%20b", False),
    ("ä", False),
    ("a\n", False),
]

WORDS = [
    ("*", True),
    ("GET", True),
    ("x-a", True),
    ("", False),
    ("a,b", False),
    ("a%", False),
    ("a\n", False),
]

PREFIXES = [("", True), ("Bearer ", True), ("a\tb=", True), ("a\n", False), ("\0", False), ("ä", False)]

REGEXES = [
    (r"https://(?:[a-z0-9-]+\.)?example\.com(?::[0-9]{2,5})?", True),
    ("https://.*[.]example[.]com", True),
    (r"^https?:\/\/(a|b)+?\.test$", True),
    (r"[^\]\\\d-]{100}\W{0,}", True),
    (r"(a\){2})b{3,98}", True),
    (r"a{2}b{3,99}", False),
    ("(?:ab){3,10}", True),
    ("(?:ab){3,11}", False),
    ("((?:a{9})*)+", True),
    ("[a-b-c]", True),
    ("(" * 125 + "a" + ")" * 125, True),
    ("a" * 256, True),
    ("a" * 257, False),
    ("", False),
    ("a b", False),
    ("ä", False),
    ("a\n", False),
    ("*", False),
    ("(", False),
    (")", False),
    ("(*)", False),
    ("(|*)", False),
    ("^*", False),
    ("[z-a]", False),
    ("[a", False),
    ("[]", False),
    ("[[:alpha:]]", False),
    ("[a--]", False),
    (r"[\d-z]", False),
    ("a**", False),
    ("a*+", False),
    ("a{2}{3}", False),
    ("a{101}", False),
    ("a{1,101}", False),
    ("a{2,1}", False),
    ("(a{2}){2}", False),
    ("(?:(?:a{2})b){2}", False),
    ("(a{2})*b(c){2}", False),
    ("(?=a)", False),
    ("(?!a)", False),
    ("(?<=a)b", False),
    ("(?>a)", False),
    ("(?i)a", False),
    ("(?x)a", False),
    ("(?P<a>b)", False),
    (r"(a)\1", False),
    (r"a\Z", False),
    (r"\u0041", False),
]

ORIGINS = [
    ({"exact": "https://shop.example.com"}, True),
    ({"exact": "*"}, True),
    ({"prefix": "https://"}, True),
    ({"prefix": ""}, False),
    ({"exact": "a b"}, False),
    ({"exact": "a", "prefix": "a"}, False),
    ({}, False),
]

CHECKS = [
    *((headers.added, *row) for row in NAMES),
    *((headers.text, *row) for row in TEXTS),
    *((headers.octets, *row) for row in OCTETS),
    *((headers.token, *row) for row in WORDS),
    *((headers.prefix, *row) for row in PREFIXES),
    *((headers.origin, *row) for row in ORIGINS),
    *((headers.origin, {"regex": regex}, is_taken) for regex, is_taken in REGEXES),
]


@pytest.mark.parametrize(("check", "value", "is_taken"), CHECKS)
def test_a_value_is_taken_as_it_is_or_refused(check, value, is_taken):
    if is_taken:
        assert check(value) == value
    else:
        with pytest.raises(ValueError, match=r"\S"):
            check(value)


@pytest.mark.parametrize("check", [headers.text, headers.octets])
def test_the_author_of_a_lone_percent_sign_learns_how_to_write_it(check):
    with pytest.raises(ValueError, match="write %% for the character"):
        check("100%")


def test_a_cookie_header_is_as_long_as_another():
    assert headers.cookies({"a": "b" * 4_094})
    with pytest.raises(ValueError, match="taken together"):
        headers.cookies({"a": "b" * 2_046, "c": "d" * 2_047})
