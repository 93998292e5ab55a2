"""The identity token: what it says, for how long, and when a new one is signed. PyJWT reads it."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from math import inf

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from authz.core import keyring, path
from authz.core.assertion import TOKENS_LENGTH, Signer
from authz.core.claims import Claims
from authz.core.decision import Allow, Deny, Vouched
from authz.core.identity import Caller
from authz.core.keyring import Keyring
from authz.core.policy import Host, IdentityToken, Policy, Rule
from authz.core.reason import Reason, Refused
from authz.core.request import Request

NOW, TTL_S = 1_800_000_000.5, 300.0
ISSUER, HOST, HEADER = "https://authz.example.com", "shop.example.com", "x-auth-identity"
RULE = Rule("r", frozenset({"GET"}), path.parse("/*"))
MEMBERS = {"email": "email", "groups": "groups", "scope": "scope"}
PLAIN = IdentityToken(HEADER, claims=MEMBERS)
EC, RSA = (
    keyring.parse(key.as_pem(private=True))
    for key in (ECKey.generate_key("P-256"), RSAKey.generate_key(2048))
)
PERSON = {"iss": "https://idp", "sub": "alice", "email": "a@example.com", "groups": ["a", "b,c"], "role": "x"}


def signer(*keys):
    return Signer(ISSUER, TTL_S, Keyring(3_600, TTL_S + 60).follow(keys or [EC], 0.0))


def caller(expires=inf, **changes):
    told = {name: value for name, value in (PERSON | changes).items() if value is not None}
    return Caller(Claims(frozenset(), 0, expires, told))


def token(made, who, wanted=PLAIN, host=HOST, now=NOW):
    return made.token(Vouched(who, wanted, host), now)


def refusal(who, wanted=PLAIN, now=NOW):
    with pytest.raises(Refused) as refused:
        token(signer(), who, wanted, now=now)
    return refused.value.reason


def claims(text):
    return json.loads(urlsafe_b64decode(text.split(".")[1] + "=="))


@pytest.mark.parametrize(("key", "algorithm"), [(EC, "ES256"), (RSA, "RS256")])
def test_another_library_verifies_it_by_the_published_key(key, algorithm):
    text = token(signer(key), caller())
    header = jwt.get_unverified_header(text)
    assert header == {"alg": algorithm, "kid": key.kid, "typ": "JWT"}
    published = jwt.PyJWKSet.from_dict({"keys": [key.public]})[header["kid"]]
    options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    read = jwt.decode(text, published, [algorithm], options, audience=HOST, issuer=ISSUER)  # type: ignore[arg-type]
    assert read == {
        "iss": ISSUER,
        "sub": "alice",
        "aud": HOST,
        "iat": 1_799_999_999,
        "nbf": 1_799_999_999,
        "exp": 1_800_000_300,
        "email": "a@example.com",
        "groups": ["a", "b,c"],
    }


def unsigned(text):
    """RFC 8725 2.1."""
    return part({"alg": "none", "typ": "JWT"}) + "." + text.split(".")[1] + "."


def keyed_with_the_public_key(text):
    """RFC 8725 2.1: whoever lets the token choose takes what is published for a secret."""
    signed = part({"alg": "HS256", "kid": EC.kid, "typ": "JWT"}) + "." + text.split(".")[1]
    mac = hmac.digest(EC.private.as_pem(private=False), signed.encode(), "sha256")
    return f"{signed}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def promoted(text):
    head, _, signature = text.split(".")
    return f"{head}.{part(claims(text) | {'sub': 'root'})}.{signature}"


def of_another_key(text):
    _, body, signature = text.split(".")
    return f"{part({'alg': 'RS256', 'kid': RSA.kid, 'typ': 'JWT'})}.{body}.{signature}"


def by_a_stranger(text):
    stranger = ECKey.generate_key("P-256")
    return jws.serialize_compact({"alg": "ES256", "kid": EC.kid}, json.dumps(claims(text)), stranger)


def part(value):
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "forge", [unsigned, keyed_with_the_public_key, promoted, of_another_key, by_a_stranger]
)
def test_what_a_workload_is_told_to_check_keeps_forgeries_out(forge):
    """docs/identity.md: the key that `kid` names, the algorithm, issuer, audience, time."""
    text = forge(token(signer(), caller()))
    published = jwt.PyJWKSet.from_dict({"keys": [EC.public, RSA.public]})
    kid = jwt.get_unverified_header(text).get("kid", EC.kid)
    with pytest.raises((jwt.DecodeError, jwt.InvalidAlgorithmError)):
        jwt.decode(text, published[kid], ["ES256", "RS256"], audience=HOST, issuer=ISSUER)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (IdentityToken(HEADER), {"aud": HOST}),
        (IdentityToken(HEADER, "grafana"), {"aud": "grafana"}),
        (IdentityToken(HEADER, claims={"role": "role"}), {"aud": HOST, "role": "x"}),
        (IdentityToken(HEADER, claims={"idp": "iss", "name": "absent"}), {"aud": HOST, "idp": "https://idp"}),
        (IdentityToken(HEADER, claims={"iss": "role", "sub": "role", "aud": "role"}), {"aud": HOST}),
        (IdentityToken(HEADER, claims={"exp": "role", "nbf": "role", "iat": "role"}), {"aud": HOST}),
    ],
)
def test_it_says_what_is_configured_and_nothing_else(wanted, expected):
    told = claims(token(signer(), caller(), wanted))
    assert (told.pop("iss"), told.pop("sub")) == (ISSUER, "alice")
    assert told.pop("exp") - told.pop("iat") == 301
    assert told.pop("nbf") == 1_799_999_999
    assert told == expected


@pytest.mark.parametrize(
    ("expires", "lives"),
    [
        (inf, 1_800_000_300),
        (NOW + 1_000, 1_800_000_300),
        (NOW + 100, 1_800_000_100),
        (NOW + 0.5, 1_800_000_001),
    ],
)
def test_it_never_outlives_the_credential(expires, lives):
    assert claims(token(signer(), caller(expires)))["exp"] == lives


@pytest.mark.parametrize("expires", [NOW + 0.4, NOW, NOW - 30])
def test_a_credential_at_its_end_gets_none(expires):
    """Within the leeway a credential still passes, but nothing new is made of it."""
    assert refusal(caller(expires)) is Reason.TOKEN_EXPIRED


DEEP: list[object] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "who",
    [
        caller(sub=None),
        caller(sub=""),
        caller(sub=7),
        caller(sub="\ud800"),
        caller(email=1e999),
        caller(email=float("nan")),
        caller(groups=["g" * 100] * 60),
        caller(groups=DEEP),
    ],
)
def test_what_can_not_be_said_is_refused(who):
    assert refusal(who) is Reason.IDENTITY_UNUSABLE


def test_it_is_remembered_for_half_of_its_life():
    made, who = signer(), caller()
    first = token(made, who)
    assert token(made, who, now=NOW + 149) is first
    second = token(made, who, now=NOW + 150)
    assert (second is first, claims(second)["exp"]) == (False, 1_800_000_450)


@pytest.mark.parametrize(
    ("who", "wanted", "host", "now"),
    [
        (caller(), PLAIN, HOST, NOW),  # another object: another credential, or the same with other claims
        (None, IdentityToken(HEADER, claims=MEMBERS), HOST, NOW),  # another policy
        (None, PLAIN, "other.example.com", NOW),
        (None, PLAIN, HOST, NOW - 3_600),  # the clock was set back
    ],
)
def test_it_is_signed_anew_for_others(who, wanted, host, now):
    made, first = signer(), caller()
    known = token(made, first)
    assert token(made, who or first, wanted, host, now) != known or who
    assert token(made, first) == known or now < NOW


def test_a_caller_that_has_gone_is_not_taken_for_one_at_the_same_place():
    made = signer()
    for number in range(200):
        who = caller(sub=f"u{number}")
        assert claims(token(made, who))["sub"] == f"u{number}"
        del who


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.floats(0, 400)), max_size=40))
def test_whatever_is_remembered_nobody_gets_anothers_or_a_stale_one(calls):
    made, now = signer(), NOW
    people = [caller(expires=NOW + 2_000, sub=f"u{number}") for number in range(3)]
    for number, host, pause in calls:
        now += pause
        if now >= NOW + 1_999:
            return
        told = claims(token(made, people[number], host=f"h{host}", now=now))
        assert (told["sub"], told["aud"]) == (f"u{number}", f"h{host}")
        assert told["nbf"] <= now < told["exp"] <= NOW + 2_000


def test_memory_is_bounded_whoever_calls():
    made = signer()
    signed = made._sign(Vouched(caller(), PLAIN, HOST), NOW)
    for number in range(20_000):
        made._memo.put(number, signed, len(signed.text))
    assert len(made._memo) * len(signed.text) <= TOKENS_LENGTH


def test_an_allowance_gets_its_token_and_loses_nothing():
    vouched = Vouched(caller(), PLAIN, HOST)
    allow = Allow(
        Reason.AUTHORIZED, RULE, {"x-auth-subject": "alice"}, ("x-auth-email", HEADER), ("a=b",), vouched
    )
    made = signer()
    sealed = sealing(made, allow)
    assert isinstance(sealed, Allow)
    assert sealed.headers == {"x-auth-subject": "alice", HEADER: token(made, vouched.caller)}
    assert (sealed.remove, sealed.cookies) == (("x-auth-email",), ("a=b",))
    plain = allow._replace(vouched=None)
    assert sealing(made, plain) is plain


def sealing(made, allow):
    policy = Policy({HOST: Host(HOST, (RULE,))})
    return made.seal(allow, policy, Request("GET", HOST, "/"), NOW)


def test_an_allowance_that_can_not_get_its_token_is_a_refusal():
    vouched = Vouched(caller(NOW), PLAIN, HOST)
    allow = Allow(Reason.AUTHORIZED, RULE, {}, (), ("a=b",), vouched)
    assert sealing(signer(), allow) == Deny(Reason.TOKEN_EXPIRED, RULE, cookies=("a=b",))


def test_an_allowance_is_printed_without_who_is_calling():
    allow = Allow(Reason.AUTHORIZED, RULE, {"x-auth-subject": "alice"}, cookies=("a=b",))
    assert repr(allow) == f"Allow(AUTHORIZED, {RULE.name})"


def test_a_token_is_not_printed():
    made = signer()
    token(made, caller())
    (signed, _) = next(iter(made._memo._young.values()))
    assert signed.text not in repr(signed)
