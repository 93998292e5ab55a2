"""Istio's pattern language and its policies as matchers: who may, and what."""

import pytest

from authz.local.envoy import document, matchers, rbac
from authz.local.envoy.bootstrap import as_json
from tests.local.meshes import policy, source, when


def regex(pattern):
    return {"safe_regex": {"regex": pattern}}


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("/a", {"exact": "/a"}),
        ("/a/*", {"prefix": "/a/"}),
        ("*.png", {"suffix": ".png"}),
        ("*", regex(".+")),
        ("/a*b", {"exact": "/a*b"}),
    ],
)
def test_a_star_means_something_at_an_end_only(pattern, expected):
    assert as_json(matchers.text(pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("td/ns/a/sa/b", {"exact": "spiffe://td/ns/a/sa/b"}),
        ("td/ns/a/*", {"prefix": "spiffe://td/ns/a/"}),
        ("*/sa/b.c", regex(r"spiffe://.*/sa/b\.c")),
        ("*", regex(".+")),
    ],
)
def test_a_principal_is_a_spiffe_uri_without_its_scheme(pattern, expected):
    assert as_json(matchers.spiffe(pattern)) == expected


@pytest.mark.parametrize(
    ("pattern", "template"),
    [("/a/{*}/b", "/a/*/b"), ("/a/{**}", "/a/**"), ("/{*}/b/{**}", "/*/b/**")],
)
def test_a_path_with_braces_is_a_template(pattern, template):
    assert as_json(matchers.path(pattern))["uri_template"]["typed_config"]["path_template"] == template


@pytest.mark.parametrize(
    ("caller", "issuer", "subject"),
    [
        ("http://idp/*", {"exact": "http://idp"}, regex(".+")),
        ("http://idp/a", {"exact": "http://idp"}, {"exact": "a"}),
        ("http://idp/a*", {"exact": "http://idp"}, {"prefix": "a"}),
        ("*/a", regex(".+"), {"exact": "a"}),
        ("*idp/a", {"suffix": "idp"}, {"exact": "a"}),
        ("*", regex(".+"), regex(".+")),
        ("*a", regex(".+"), {"suffix": "a"}),
        ("http*", {"prefix": "http"}, regex(".+")),
    ],
)
def test_a_request_principal_is_split_at_its_last_slash(caller, issuer, subject):
    [rule] = policies(policy(source(requestPrincipals=[caller])))
    both = rule["principals"][0]["and_ids"]["ids"][0]["and_ids"]["ids"]
    values = [each["sourced_metadata"]["metadata_matcher"]["value"]["string_match"] for each in both]
    assert values == [issuer, subject]


def header(pattern):
    return {"header": {"name": "x-a", "string_match": {"exact": pattern}}}


def peer(pattern):
    return {"authenticated": {"principal_name": pattern}}


def either(principal):
    return {"or_ids": {"ids": [principal]}}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, [{"any": True}]),
        (source(principals=["td/a"]), [either(peer({"exact": "spiffe://td/a"}))]),
        (source(notPrincipals=["td/a"]), [{"not_id": either(peer({"exact": "spiffe://td/a"}))}]),
        (source(namespaces=["a*"]), [either(peer(regex(".*/ns/a.*/.*")))]),
        (when("request.headers[x-a]", values=["1"]), [either(header("1"))]),
        (when("request.headers[x-a]", notValues=["1"]), [{"not_id": either(header("1"))}]),
        (
            when("request.headers[x-a]", values=["*"]),
            [either({"header": {"name": "x-a", "present_match": True}})],
        ),
        (
            source(principals=["td/a"]) | when("request.headers[x-a]", values=["1"]),
            [either(peer({"exact": "spiffe://td/a"})), either(header("1"))],
        ),
    ],
)
def test_sources_and_conditions_must_all_hold(rule, expected):
    [made] = policies(policy(rule))
    assert made["principals"] == [{"and_ids": {"ids": expected}}]


def test_a_claim_may_be_nested_and_have_any_of_several_values():
    [made] = policies(policy(when("request.auth.claims[a][b]", values=["x", "y*"])))
    matcher = made["principals"][0]["and_ids"]["ids"][0]["sourced_metadata"]["metadata_matcher"]
    values = [{"string_match": {"exact": "x"}}, {"string_match": {"prefix": "y"}}]
    any_of = {"or_match": {"value_matchers": values}}
    assert [segment["key"] for segment in matcher["path"]] == ["payload", "a", "b"]
    assert matcher["value"]["or_match"]["value_matchers"] == [{"list_match": {"one_of": any_of}}, any_of]


def policies(made):
    [read] = document.read([made])
    return [as_json(each) for each in rbac.policies(read).values()]
