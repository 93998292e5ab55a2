"""The Envoy compiler without an Envoy: Istio's pattern language, selection, and what is refused by name."""

from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc.jwk import KeySet

from authz.local import envoy
from authz.local.envoy import document, filters, jwt, matchers, rbac
from authz.local.envoy.bootstrap import as_json
from tests.local.meshes import (
    AUTHZ,
    around,
    mesh,
    operation,
    policy,
    resource,
    to_shop,
    virtual_service,
    workload,
)

GOLDEN = Path(__file__).parent.parent / "istio" / "golden"


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
    [rule] = policies(policy({"from": [{"source": {"requestPrincipals": [caller]}}]}))
    both = rule["principals"][0]["and_ids"]["ids"][0]["and_ids"]["ids"]
    values = [each["sourced_metadata"]["metadata_matcher"]["value"]["string_match"] for each in both]
    assert values == [issuer, subject]


def policies(made):
    [read] = document.read([made])
    return [as_json(each) for each in rbac.policies(read).values()]


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


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({"exact": "/a"}, {"path": "/a"}),
        ({"prefix": "/a"}, {"prefix": "/a"}),
        ({"regex": "/a.*"}, regex("/a.*")),
    ],
)
def test_a_route_matches_by_path_and_method(path, expected):
    made = routes(to_shop(match=[{"uri": path, "method": {"exact": "GET"}}]))
    method = {"name": ":method", "string_match": {"exact": "GET"}}
    assert made[0]["match"] == {**expected, "case_sensitive": True, "headers": [method]}


def test_a_route_may_match_by_authority_alone():
    [made] = routes(to_shop(match=[{"authority": {"regex": ".*:.*"}}]))
    authority = {"name": ":authority", "string_match": regex(".*:.*")}
    assert made["match"] == {"prefix": "/", "case_sensitive": True, "headers": [authority]}


def test_a_route_without_a_match_takes_all_and_several_matches_are_several_routes():
    uris = [{"uri": {"exact": path}} for path in ("/a", "/b")]
    made = routes(to_shop(match=uris), to_shop())
    assert [each["match"].get("path") for each in made] == ["/a", "/b", None]


def test_a_direct_response_answers_in_place_of_the_workload():
    [made] = routes({"directResponse": {"status": 400, "body": {"string": "no"}}})
    assert made["direct_response"] == {"status": 400, "body": {"inline_string": "no"}}


def test_headers_are_set_added_and_removed_on_both_ways():
    change = {"set": {"x-b": "1", "x-a": "2"}, "add": {"cookie": "c=1"}, "remove": ["x-c"]}
    [made] = routes(to_shop(headers={"request": change, "response": change}))
    for way in ("request", "response"):
        added = [(each["header"]["key"], each.get("append_action")) for each in made[f"{way}_headers_to_add"]]
        overwrite = "OVERWRITE_IF_EXISTS_OR_ADD"
        assert added == [("x-a", overwrite), ("x-b", overwrite), ("cookie", None)]
        assert made[f"{way}_headers_to_remove"] == ["x-c"]


@pytest.mark.parametrize(
    ("retries", "expected"),
    [
        ({"attempts": 0}, None),
        ({"attempts": 5, "perTryTimeout": "500ms", "retryOn": "5xx"}, (5, "0.500s", "5xx")),
    ],
)
def test_a_route_retries_as_it_says(retries, expected):
    [made] = routes(to_shop(retries=retries))
    policy = made["route"].get("retry_policy")
    assert expected == (policy and (policy["num_retries"], policy["per_try_timeout"], policy["retry_on"]))


def routes(*http):
    [listener] = envoy.compile([virtual_service(*http)], mesh()).gateway.listeners
    manager = as_json(listener)["filter_chains"][0]["filters"][0]["typed_config"]
    return manager["route_config"]["virtual_hosts"][0]["routes"]


def tokens(**rule):
    return resource("RequestAuthentication", "shop", {"jwtRules": [{"issuer": "i", "jwks": "{}", **rule}]})


AT = "AuthorizationPolicy apps/shop: spec"
VS = "VirtualService apps/shop: spec"
LOCAL = "not supported by the local gateway"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"apiVersion": "v1", "kind": "Service"}, "Service default/: v1 Service is not compiled here"),
        (policy({}, targetRefs=[]), f"{AT}.targetRefs: {LOCAL}"),
        (policy({}, action="AUDIT"), f"{AT}.action: AUDIT is {LOCAL}"),
        (policy({}, provider={"name": "authz"}), f"{AT}.provider: only goes with action CUSTOM"),
        (policy({}, selector={"matchExpressions": []}), f"{AT}.selector.matchExpressions: {LOCAL}"),
        (
            policy({}, action="CUSTOM", provider={"name": "x"}),
            f"{AT}.provider.name: no provider 'x' in the mesh",
        ),
        (policy(action="CUSTOM", provider={"name": "authz"}), f"{AT}.rules: a CUSTOM policy must have some"),
        (
            policy({"from": []}, action="CUSTOM", provider={"name": "authz"}),
            f"{AT}.rules[0].from: does not go with action CUSTOM",
        ),
        (
            policy({"when": [{"key": "request.auth.x"}]}, action="CUSTOM", provider={"name": "authz"}),
            f"{AT}.rules[0].when[0].key: does not go with action CUSTOM",
        ),
        (policy(operation(ports=["80"])), f"{AT}.rules[0].to[0].operation.ports: {LOCAL}"),
        (policy(operation(paths="/a")), f"{AT}.rules[0].to[0].operation.paths: must be of type list"),
        (policy(operation(paths=[1])), f"{AT}.rules[0].to[0].operation.paths[0]: must be a string"),
        (
            policy({"from": [{"source": {"ipBlocks": ["10.0.0.0/8"]}}]}),
            f"{AT}.rules[0].from[0].source.ipBlocks: {LOCAL}",
        ),
        (policy({"when": [{"key": "source.ip"}]}), f"{AT}.rules[0].when[0].key: source.ip is {LOCAL}"),
        (
            policy({"when": [{"key": "request.headers[a][b]", "values": ["x"]}]}),
            f"{AT}.rules[0].when[0].key: request.headers[a][b] names more than one header",
        ),
        (tokens(outputPayloadToHeader="x"), f".outputPayloadToHeader: {LOCAL}"),
        (virtual_service(to_shop(rewrite={})), f"{VS}.http[0].rewrite: {LOCAL}"),
        (virtual_service(to_shop(match=[{"port": 80}])), f"{VS}.http[0].match[0].port: {LOCAL}"),
        (virtual_service(to_shop(match=[{"uri": {}}])), ".uri: must have one of exact, prefix and regex"),
        (virtual_service(to_shop(timeout="soon")), f"{VS}.http[0].timeout: soon is not a duration"),
        (virtual_service({"match": []}), f"{VS}.http[0].route: must have exactly one destination"),
        (virtual_service(to_shop(directResponse={})), f"{VS}.http[0].route: does not go with directResponse"),
        (virtual_service(to_shop(headers={"request": {"set": []}})), ".set: must be a mapping"),
        (virtual_service(hosts=("a", "a")), f"{VS}.hosts: a is claimed by another VirtualService"),
        (
            virtual_service({"route": [{"destination": {"host": "x", "port": {"number": 1}}}]}),
            ".destination.host: x:1 is not a workload of the local gateway",
        ),
        (
            resource("VirtualService", "shop", {"hosts": ["a"], "gateways": ["mesh"]}),
            f"{VS}.gateways: must name gateways, and not the mesh",
        ),
    ],
)
def test_what_is_not_done_as_istio_does_it_is_refused_by_name(made, message):
    with pytest.raises(envoy.Unsupported) as refused:
        envoy.compile([made], mesh())
    assert message in str(refused.value)


def test_a_dry_run_is_refused():
    made = policy({})
    made["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    with pytest.raises(envoy.Unsupported, match="dry-run"):
        envoy.compile([made], mesh())


@pytest.mark.parametrize("golden", sorted(GOLDEN.glob("*.out.yaml")), ids=lambda path: path.name)
def test_all_that_the_translation_emits_is_compiled(golden):
    emitted = list(yaml.safe_load_all(golden.read_text()))
    assert envoy.compile(emitted, around(emitted))
