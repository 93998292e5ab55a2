"""Twelve defects of the controller that came before us: what each would open or break is as it should be."""

import random

import pytest
import yaml

from authz.core.policy import Authorizer
from authz.istio import apirule, translate
from authz.istio.problem import Invalid
from tests.istio.meshes import known

IDP = {"issuer": "https://idp", "jwksUri": "https://idp/keys"}
JWT = {"jwt": {"authentications": [IDP]}}
PUBLIC = {"noAuth": True}

CLUSTER = list(
    yaml.safe_load_all("""
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop, tier: web, zone: a}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: main, namespace: gateways}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443}, hosts: ["*.example.com"]}]}
""")
)


def rule(path, methods, **access):
    return {"path": path, "methods": methods.split()} | access


def document(*rules, name="shop", **spec):
    common = {
        "hosts": ["shop.example.com"],
        "gateway": "gateways/main",
        "service": {"name": "shop", "port": 80},
    }
    return {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": common | {"rules": list(rules)} | spec,
    }


def emitted(apirule_, *others, cluster=CLUSTER):
    around = known([apirule_, *others, *cluster], [Authorizer("one"), Authorizer("two")])
    return translate.translate(apirule.parse(apirule_), around)


def operations(resources, action="ALLOW"):
    """Each as (its access, operation): a token is asked for, or everyone may pass."""
    for made in resources:
        if made["kind"] == "AuthorizationPolicy" and made["spec"]["action"] == action:
            for entry in made["spec"]["rules"]:
                wanted = "requestPrincipals" in entry["from"][0]["source"] if "from" in entry else None
                for to in entry["to"]:
                    yield wanted, to["operation"]


def routes(resources):
    return [http for http in resources[-1]["spec"]["http"] if "route" in http]


def test_1_a_public_path_leaves_out_protected_ones_whatever_stands_between():
    rules = rule("/a/{*}", "POST", **JWT), rule("/a/x", "GET", **JWT), rule("/a/{*}", "GET", **PUBLIC)
    made = emitted(document(*rules))
    (public,) = [each for with_token, each in operations(made) if not with_token]
    assert (public["methods"], public["notPaths"]) == (["GET"], ["/a/x"])


def test_2_the_root_path_is_left_out_of_a_public_host():
    made = emitted(document(rule("/", "GET", **JWT), rule("/*", "GET", **PUBLIC)))
    (public,) = [each for with_token, each in operations(made) if not with_token]
    assert public["notPaths"] == ["/"]


def test_3_a_path_that_begins_an_earlier_one_is_still_seen_twice():
    rules = rule("/abc/def", "GET", **JWT), rule("/abc", "GET", **JWT), rule("/abc", "GET", **PUBLIC)
    with pytest.raises(Invalid, match=r"spec\.rules\[2\]\.path: Path /abc with method GET conflicts"):
        apirule.parse(document(*rules))


def test_4_the_guards_come_before_the_route():
    kinds = [made["kind"] for made in emitted(document(rule("/*", "GET", **JWT)))]
    assert kinds == ["RequestAuthentication", "AuthorizationPolicy", "VirtualService"]


def test_5_the_order_in_which_things_are_written_changes_nothing():
    cookies = {"a": "1", "b": "2", "c": "3"}
    made = []
    for seed in range(5):
        shuffled = dict(random.Random(seed).sample(sorted(cookies.items()), 3))
        labels = dict(random.Random(seed).sample(sorted(CLUSTER[0]["spec"]["selector"].items()), 3))
        service = CLUSTER[0] | {"spec": {"selector": labels}}
        asked = document(rule("/*", "GET", **JWT, request={"cookies": shuffled}))
        made.append(emitted(asked, cluster=[service, CLUSTER[1]]))
    assert all(each == made[0] for each in made)


ESCAPED = [
    ("/v1.0", {"exact": "/v1.0"}),
    ("/a$b", {"exact": "/a$b"}),
    ("/a(b)/{**}", {"prefix": "/a(b)/"}),
    ("/a(b)+/{*}", {"regex": r"/a\(b\)\+/[A-Za-z0-9\-._~%!$&'()*+,;:@=]+"}),
]


@pytest.mark.parametrize(("path", "uri"), ESCAPED)
def test_6_signs_of_a_path_stand_for_themselves(path, uri):
    (http,) = routes(emitted(document(rule(path, "GET", **PUBLIC))))
    assert http["match"][0]["uri"] == uri


def test_7_the_clients_own_cookies_stay():
    (http,) = routes(emitted(document(rule("/*", "GET", **PUBLIC, request={"cookies": {"a": "b"}}))))
    assert http["headers"]["request"]["set"]["cookie"] == "a=b; %REQ(cookie)%"


def test_8_several_authorizers_of_ours_are_one_provider_and_others_are_refused():
    both = {"extAuth": {"authorizers": ["one", "two"]}}
    made = emitted(document(rule("/*", "GET", **both)))
    providers = [each["spec"]["provider"]["name"] for each in made if "provider" in each["spec"]]
    assert providers == ["authz"]
    mesh = "extensionProviders: [{name: authz}, {name: other}]"
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"mesh": mesh}}
    config["metadata"] = {"name": "istio", "namespace": "istio-system"}
    mixed = document(rule("/*", "GET", extAuth={"authorizers": ["one", "other"]}))
    with pytest.raises(Invalid, match="Istio allows one extension provider per workload"):
        emitted(mixed, cluster=[*CLUSTER, config])


def test_9_a_port_in_the_host_header_changes_nothing():
    asked = {"extAuth": {"authorizers": ["one"]}}
    made = emitted(document(rule("/a", "GET", **asked), rule("/b", "GET", **PUBLIC)))
    both = [*operations(made), *operations(made, "CUSTOM")]
    assert len(both) >= 3
    assert all(each["hosts"] == ["shop.example.com", "shop.example.com:*"] for _, each in both)


def test_10_a_short_host_with_an_external_gateway_is_an_explanation():
    with pytest.raises(Invalid, match="externalGateway is not supported: name an Istio Gateway in gateway"):
        apirule.parse(
            document(rule("/*", "GET", **PUBLIC), hosts=["shop"], externalGateway="gateways/external")
        )


def test_11_no_pod_makes_an_apirule_invalid():
    bare = {"name": "job", "namespace": "shop", "labels": CLUSTER[0]["spec"]["selector"]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": bare, "spec": {"containers": [{"name": "job"}]}}
    asked = document(rule("/*", "GET", **PUBLIC))
    assert emitted(asked, cluster=[*CLUSTER, pod]) == emitted(asked)


def test_12_a_public_wildcard_leaves_out_the_hosts_of_others():
    wild = document(rule("/*", "GET", **PUBLIC), hosts=["*.example.com"], name="wild")
    closed = document(rule("/*", "GET", **JWT), hosts=["a.example.com"])
    ((_, public),) = operations(emitted(wild, closed))
    assert public["notHosts"] == ["a.example.com", "a.example.com:*"]
