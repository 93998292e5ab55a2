"""What an APIRule may cost: whoever may write one can not keep the controller from its work."""

import cProfile

import pytest

from authz.istio import apirule, policy, translate
from authz.istio.pattern import OPERATORS_MAX, PATH_MAX_LENGTH, SEGMENTS_MAX
from authz.istio.problem import Invalid
from authz.istio.syntax import RULES_MAX
from tests.istio.meshes import SHOP as CLUSTER

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
CALLS_MAX = 5_000_000  # of functions, Python's and C's: half a second or so, and 1 to 3.4 million today

PUBLIC = {"noAuth": True}
STARS = "/" + "{*}/" * (OPERATORS_MAX - 1)
IDP = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}


def document(paths, access=PUBLIC, **spec):
    rules = [{"path": path, "methods": METHODS} | access for path in paths]
    common = {
        "hosts": ["shop.example.com"],
        "gateway": "gateways/main",
        "service": {"name": "shop", "port": 80},
    }
    return {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": "shop", "namespace": "shop"},
        "spec": common | {"rules": rules} | spec,
    }


def asked(count):
    """As many claims as a rule may ask for."""
    names = [f"{'s' * 40}{index}" for index in range(count)]
    one = {"requiredScopes": names, "audiences": names}
    return {"jwt": {"authentications": [IDP], "authorizations": [one] * count}}


COSTLY = {
    "subtrees": document(f"/{{**}}/x{index}" for index in range(RULES_MAX)),
    "wildcards": document(f"{STARS}x{index}" for index in range(RULES_MAX)),
    "segments": document(
        f"{STARS}{'a/' * (SEGMENTS_MAX - OPERATORS_MAX)}x{index}" for index in range(RULES_MAX)
    ),
    "characters": document(f"/{'a' * (PATH_MAX_LENGTH - 9)}{index}/{{*}}" for index in range(RULES_MAX)),
    "claims": document((f"/{{**}}/x{index}" for index in range(RULES_MAX)), asked(10)),
    "hosts": document(
        (f"/{{**}}/x{index}" for index in range(RULES_MAX)), hosts=[f"*.a{index}.test" for index in range(50)]
    ),
}


@pytest.mark.parametrize("name", COSTLY)
def test_the_costliest_apirules_take_a_bounded_number_of_steps(name):
    with cProfile.Profile() as profile:
        parsed = apirule.parse(COSTLY[name])
        emitted = translate.translate(parsed, CLUSTER)
        policy.build([parsed], {}, CLUSTER)
    assert sum(entry.callcount for entry in profile.getstats()) < CALLS_MAX
    assert emitted


def at(document, *place):
    """The same document with something else in one place."""
    *way, last, value = place
    here = document
    for step in way:
        here = here[step]
    here[last] = value
    return document


def plain():
    return document(["/a"])


TOO_MUCH = [
    (document(f"/a{index}" for index in range(201)), "spec.rules: must have 200 entries at most, not 201"),
    (document(["/" + "a" * 512]), "rules[0].path: Path must have 512 characters and 32 segments at most"),
    (document(["/a" * 33]), "rules[0].path: Path must have 512 characters and 32 segments at most"),
    (document(["/{*}" * 17]), "rules[0].path: Only 16 operators are allowed in the path."),
    (
        document(["/a"], hosts=[f"a{index}" for index in range(51)]),
        "spec.hosts: must have 50 entries at most",
    ),
    (document(["/a"], asked(11)), "rules[0].jwt.authorizations: must have 10 entries at most, not 11"),
    (document(["/a"], {"extAuth": {"authorizers": ["a"] * 11}}), "extAuth.authorizers: must have 10 entries"),
    (document(["/a"], {"extAuth": {"authorizers": [""]}}), "authorizers[0]: must not be empty"),
    (
        document(["/a"], {"extAuth": {"authorizers": ["a" * 2_049]}}),
        "authorizers[0]: must have 2048 characters at most",
    ),
    (
        document(["/a"], PUBLIC | {"request": {"headers": {f"a{index}": "b" for index in range(51)}}}),
        "rules[0].request.headers: must have 50 entries at most, not 51",
    ),
    (at(plain(), "spec", "rules", 0, "methods", ["GET"] * 51), "methods: must have 50 entries at most"),
    (at(plain(), "spec", "service", "name", "a b"), "spec.service.name: must be lower-case letters, digits"),
    (at(plain(), "spec", "timeout", 0), "spec.timeout: must be 1 or more"),
    (at(plain(), "spec", "timeout", 1.5), "spec.timeout: must be a whole number"),
    (at(plain(), "spec", "corsPolicy", 1), "spec.corsPolicy: must be a mapping"),
    (
        at(plain(), "spec", "corsPolicy", {"allowCredentials": "yes"}),
        "allowCredentials: must be true or false",
    ),
    (
        at(plain(), "spec", "corsPolicy", {"allowOrigins": [{"exact": "a", "prefix": "a"}]}),
        "allowOrigins[0]: must have exactly one of exact, prefix and regex",
    ),
    (at(plain(), "spec", 7, 1), "spec[7]: must be text"),
]


@pytest.mark.parametrize(("document", "problem"), TOO_MUCH)
def test_more_than_that_is_refused_in_plain_words(document, problem):
    with pytest.raises(Invalid) as caught:
        apirule.parse(document)
    assert problem in str(caught.value)
    assert "Input" not in str(caught.value)


def test_of_very_many_mistakes_the_first_are_told():
    with pytest.raises(Invalid) as caught:
        apirule.parse(document(["/a"], **{f"field{index}": 1 for index in range(5_000)}))
    assert len(caught.value.problems) == 101
    assert str(caught.value.problems[-1]) == "spec.field100: and 4899 more are wrong as well"


def test_a_method_that_is_listed_twice_is_listed_once():
    repeated = at(plain(), "spec", "rules", 0, "methods", ["GET", "PUT", "GET"])
    assert apirule.parse(repeated).spec.rules[0].methods == ("GET", "PUT")
