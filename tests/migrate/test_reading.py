"""Old documents become old rules, whatever they were written as."""

import json

import pytest
import yaml

from authz.migrate.old import reading
from authz.migrate.old.rule import Handler, Pattern, Upstream

APIRULE = """
apiVersion: gateway.kyma-project.io/v1beta1
kind: APIRule
metadata: {name: shop, namespace: apps}
spec:
  host: shop.example.com
  gateway: kyma-gateway.kyma-system.svc.cluster.local
  service: {name: shop, port: 80, namespace: backend}
  timeout: 20
  rules:
  - path: /.*
    methods: [GET, POST]
    accessStrategies: [{handler: noop}]
  - path: /cart
    methods: [PUT]
    service: {name: cart, port: 81}
    timeout: 30
    accessStrategies: [{handler: jwt, config: {jwks_urls: [u]}}]
    mutators: [{handler: header, config: {headers: {a: b}}}]
"""
RULE = """
apiVersion: oathkeeper.ory.sh/v1alpha1
kind: Rule
metadata: {name: shop, namespace: apps}
spec:
  upstream: {url: "http://shop.apps.svc.cluster.local:8080", stripPath: /x, preserveHost: true}
  match: {url: "<http|https>://shop.example.com</.*>", methods: [GET]}
  authenticators: [{handler: noop}]
  authorizer: {handler: deny}
  mutators: [{handler: noop}]
"""


def read(*texts: str, **more):
    documents = [("f.yaml", body) for text in texts for body in yaml.safe_load_all(text)]
    return reading.read(documents, **more)


def test_an_apirule_has_a_rule_for_each_of_its_own():
    one, other = read(APIRULE).rules
    assert one.origin.key == "apps/shop"
    assert (one.hosts, one.path, one.methods) == (
        (Pattern("shop.example.com"),),
        Pattern("/.*"),
        ("GET", "POST"),
    )
    assert one.upstream == Upstream("shop", "backend", 80, at="spec.service")
    assert (one.timeout_s, other.timeout_s) == (20, 30)
    assert other.at == "spec.rules[1]"
    assert other.upstream == Upstream("cart", "backend", 81, at="spec.rules[1].service")
    assert other.authenticators == (
        Handler("jwt", {"jwks_urls": ["u"]}, "spec.rules[1].accessStrategies[0]"),
    )


def test_the_first_version_had_the_host_beside_the_service():
    text = APIRULE.replace("v1beta1", "v1alpha1").replace("  host: shop.example.com\n", "")
    text = text.replace("service: {name: shop,", "service: {name: shop, host: old.example.com,")
    assert read(text).rules[0].hosts == (Pattern("old.example.com"),)


def test_what_kyma_keeps_in_an_annotation_is_read():
    body = yaml.safe_load(APIRULE)
    kept = json.dumps(body["spec"])
    body |= {"apiVersion": "gateway.kyma-project.io/v2", "spec": {"hosts": ["x"]}}
    body["metadata"]["annotations"] = {"gateway.kyma-project.io/v1beta1-spec": kept}
    assert [rule.path.text for rule in reading.read([("f", body)]).rules] == ["/.*", "/cart"]


def test_an_apirule_of_today_is_left_alone():
    assert read(APIRULE.replace("v1beta1", "v2")).objects == ()


def test_a_rule_of_oathkeeper_is_taken_apart():
    (rule,) = read(RULE).rules
    assert rule.hosts == (Pattern("shop.example.com", "oathkeeper"),)
    assert rule.path == Pattern("</.*>", "oathkeeper")
    assert rule.authorizer == Handler("deny", {}, "spec.authorizer")
    url = "http://shop.apps.svc.cluster.local:8080"
    assert rule.upstream == Upstream("shop", "apps", 8080, url, "/x", preserve_host=True, at="spec.upstream")


def test_a_rule_that_kyma_made_of_an_apirule_is_not_read_twice():
    label = "labels: {apirule.gateway.kyma-project.io/v1beta1: shop.apps}, "
    made = RULE.replace("metadata: {", "metadata: {" + label)
    assert [one.origin.kind for one in read(APIRULE, made).objects] == ["APIRule"]
    assert [one.origin.kind for one in read(made).objects] == ["Rule"]


def test_access_rules_are_matched_as_the_configuration_says():
    rules = '[{"id": "a", "match": {"url": "https://a.example.com/<**>", "methods": ["GET"]}}]'
    settings = "{access_rules: {matching_strategy: glob}, authenticators: {noop: {enabled: true}}}"
    world = read(rules, settings)
    assert world.rules[0].path == Pattern("/<**>", "glob")
    assert world.settings is not None
    assert world.settings.authenticators == {"noop": {"enabled": True}}


def test_lists_and_config_maps_are_opened():
    rules = json.dumps([{"id": "a", "match": {"url": "https://a.example.com/", "methods": ["GET"]}}])
    kept = {"kind": "ConfigMap", "apiVersion": "v1", "data": {"access-rules.json": rules}}
    items = [{"kind": "List", "apiVersion": "v1", "items": [yaml.safe_load(RULE), kept]}]
    assert [one.origin.kind for one in reading.read([("f", items[0])]).objects] == ["Rule", "access rule"]


def test_other_objects_are_kept_for_those_who_need_them():
    service = {"kind": "Service", "apiVersion": "v1", "metadata": {"name": "s"}}
    assert reading.read([("f", service)]).others == (service,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("just text", "f.yaml: a mapping is expected, not a str"),
        (
            "{a: b}",
            "f.yaml: it is no APIRule, Rule, access rule, OAuth2Client or configuration of Oathkeeper",
        ),
        ("[3]", "f.yaml: [0]: a mapping is expected, not a int"),
        ("{kind: APIRule, apiVersion: gateway.kyma-project.io/v1beta1}", "f.yaml: APIRule without a name"),
    ],
)
def test_what_can_not_be_read_is_a_problem_with_a_place(text, problem):
    assert read(text).problems == (problem,)
