"""Whatever headers a client sends, the workload hears of its caller from us or from nobody."""

from hypothesis import given
from hypothesis import strategies as st

from authz.core import authorize, path
from authz.core.policy import Authorizer, Check, Policy, Rule
from authz.core.request import Request

KNOWN = frozenset({"x-auth-subject", "x-auth-email", "x-auth-identity", "x-user"})
PUBLIC = Rule("public", frozenset({"GET"}), path.parse("/*"))
GUARDED = Rule("guarded", frozenset({"GET"}), path.parse("/*"), (Check(Authorizer("a")),))


def spellings(name):
    return st.tuples(*(st.sampled_from("-_") if letter == "-" else st.just(letter) for letter in name)).map(
        "".join
    )


sent = st.dictionaries(
    st.one_of(
        *map(spellings, sorted(KNOWN)), st.sampled_from(["accept", "x_other", "x-user-agent", "_", "-"])
    ),
    st.just("forged"),
)
told = st.dictionaries(st.sampled_from(sorted(KNOWN)), st.just("ours"))


@given(sent, told)
def test_of_all_that_could_pass_for_an_identity_only_ours_arrives(client, ours):
    for rule, headers in [(PUBLIC, {}), (GUARDED, ours)]:
        allow = authorize.allow(
            Policy(identity_headers=KNOWN), rule, Request("GET", "h", "/", "", client), headers
        )
        arrived = as_envoy_does(client, allow)
        assert {name: value for name, value in arrived.items() if plain(name) in KNOWN} == headers
        others = {name for name in client if plain(name) not in KNOWN}
        assert others == {name for name in arrived if plain(name) not in KNOWN}, "nothing else is lost"


def as_envoy_does(client, allow):
    """Set first, then removed (measured on Envoy 1.40)."""
    arrived = client | dict(allow.headers)
    return {name: value for name, value in arrived.items() if name not in allow.remove}


def plain(name):
    """CGI and WSGI: RFC 3875 4.1.18."""
    return name.lower().replace("_", "-")
