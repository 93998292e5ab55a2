"""The Envoy compiler without an Envoy: which filters a proxy has, in which order, with which tokens."""

from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import KeySet

from authz.local import envoy
from authz.local.envoy import document, filters, jwt
from authz.local.envoy.bootstrap import as_json
from tests.local.meshes import AUTHZ, around, mesh, operation, policy, resource, when, workload

GOLDEN = Path(__file__).parent.parent / "istio" / "golden"


def names(chain):
    return [each.name.removeprefix("envoy.filters.http.") for each in chain]


def configs(resources, within):
    return [as_json(each)["typed_config"] for each in filters.chain(document.read(resources), within)]


CUSTOM = policy(operation(hosts=["a"]), action="CUSTOM", provider={"name": "authz"})
DENY = policy(operation(paths=["/x"]), action="DENY")
ALLOW = policy({})
TOKENS = resource("RequestAuthentication", "shop", {"jwtRules": [{"issuer": "http://idp", "jwksUri": "u"}]})


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([], ["cors", "router"]),
        ([ALLOW, DENY], ["rbac", "rbac", "cors", "router"]),
        ([ALLOW, TOKENS, CUSTOM], ["rbac", "ext_authz", "jwt_authn", "rbac", "cors", "router"]),
    ],
)
def test_the_authorizer_is_asked_before_tokens_are_verified_and_rules_come_last(resources, expected):
    assert names(filters.chain(document.read(resources), mesh())) == expected


def test_an_authorizer_may_be_asked_about_some_headers_only():
    custom = policy(when("request.headers[x-a]", values=["1"]), action="CUSTOM", provider={"name": "authz"})
    assert names(filters.chain(document.read([custom]), mesh()))[:2] == ["rbac", "ext_authz"]


def test_deny_comes_before_allow():
    deny, allow, *_ = configs([ALLOW, DENY], mesh())
    assert (deny["rules"]["action"], allow["rules"].get("action", "ALLOW")) == ("DENY", "ALLOW")


def test_providers_are_asked_in_the_order_of_their_names():
    two = [policy({}, action="CUSTOM", provider={"name": name}) for name in ("b", "a")]
    chain = configs(two, mesh(providers={"a": AUTHZ, "b": AUTHZ}))
    marks = [each["filter_enabled_metadata"]["value"]["string_match"] for each in chain[1:4:2]]
    assert marks == [{"prefix": "istio-ext-authz-a"}, {"prefix": "istio-ext-authz-b"}]


def test_an_allow_policy_without_rules_lets_nobody_in():
    assert configs([policy()], mesh())[0]["rules"] == {}


@pytest.mark.parametrize(
    ("namespace", "labels", "root", "expected"),
    [
        ("apps", {"app": "shop", "v": "1"}, "istio-system", True),
        ("apps", {"app": "other"}, "istio-system", False),
        ("other", {"app": "shop"}, "istio-system", False),
        ("other", {"app": "shop"}, "apps", True),
    ],
)
def test_a_policy_selects_by_labels_in_its_namespace_or_everywhere_from_the_root(
    namespace, labels, root, expected
):
    [read] = document.read([policy({})])
    assert read.selects(namespace, labels, root) is expected


def test_a_policy_of_the_gateway_guards_the_gateway_alone():
    selector = {"matchLabels": {"istio": "ingressgateway"}}
    spec = {"selector": selector, "action": "CUSTOM", "provider": {"name": "authz"}, "rules": [{}]}
    made = envoy.compile([resource("AuthorizationPolicy", "x", spec, "istio-system")], mesh())
    assert "ext_authz" in str(as_json(made.gateway.listeners[0]))
    assert "ext_authz" not in str(as_json(made.sidecar.listeners[0]))


def test_each_workload_has_its_own_listener_and_cluster():
    made = envoy.compile([], mesh(workloads=(workload("a", 1), workload("b", 2), workload("b", 3))))
    expected = ["inbound|1||a", "inbound|2||b", "inbound|3||b"]
    assert [listener.name for listener in made.sidecar.listeners] == expected
    assert [cluster.name for cluster in made.sidecar.clusters[1:]] == expected


def test_several_issuers_are_sorted_and_each_token_must_be_valid_or_missing():
    rules = [{"issuer": issuer, "jwks": "{}"} for issuer in ("b", "a")]
    made = jwt.authentication(
        document.read([resource("RequestAuthentication", "x", {"jwtRules": rules})]), {}
    )
    assert made is not None
    assert [provider.issuer for provider in made.providers.values()] == ["a", "b"]
    a, b, both = as_json(made)["rules"][0]["requires"]["requires_any"]["requirements"]
    assert (a, b) == ({"provider_name": "origins-0"}, {"provider_name": "origins-1"})
    assert [each["requires_any"]["requirements"] for each in both["requires_all"]["requirements"]] == [
        [a, {"allow_missing": {}}],
        [b, {"allow_missing": {}}],
    ]


def test_a_rule_may_say_where_the_token_is_and_which_claims_hold_lists():
    rule = {
        "issuer": "http://idp",
        "jwks": "{}",
        "audiences": ["shop"],
        "fromHeaders": [{"name": "x-token", "prefix": "Token "}],
        "fromParams": ["token"],
        "spaceDelimitedClaims": ["scp", "scope"],
    }
    made = jwt.authentication(
        document.read([resource("RequestAuthentication", "x", {"jwtRules": [rule]})]), {}
    )
    assert made is not None
    assert as_json(made.providers["origins-0"]) == {
        "issuer": "http://idp",
        "audiences": ["shop"],
        "local_jwks": {"inline_string": "{}"},
        "from_headers": [{"name": "x-token", "value_prefix": "Token "}],
        "from_params": ["token"],
        "payload_in_metadata": "payload",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["permission", "scope", "scp"]},
    }


def test_the_key_that_stands_for_a_missing_jwks_is_a_point_of_the_curve():
    [key] = KeySet.import_key_set(yaml.safe_load(jwt.NO_KEY)).keys
    assert isinstance(key.public_key, ec.EllipticCurvePublicKey)


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.out.yaml")), ids=lambda path: path.name)
def test_all_that_the_translation_emits_is_compiled(golden):
    emitted = list(yaml.safe_load_all(golden.read_text()))
    assert envoy.compile(emitted, around(emitted))
