"""Who is not signed in reaches oauth2-proxy's pages, on hosts that send people there, and nothing else."""

import re
from dataclasses import replace

import pytest
import yaml

from authz.core import route
from authz.core.policy import Authorizer, Jwt, Session
from authz.core.reason import Refused
from authz.core.request import Request
from authz.istio import apirule, hosts, login, obstacles, policy, translate
from tests.istio.meshes import known

PEOPLE = Authorizer("people", (Jwt("https://idp"), Session("http://oauth2-proxy.auth:4180")))
TOKENS = Authorizer("tokens", (Jwt("https://idp"),))
APIRULE = """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: shop, namespace: shop}
spec:
  gateway: gateways/main
  hosts: [shop.example.com]
  service: {name: shop, port: 80}
  rules: [{path: /*, methods: [GET, POST, DELETE], extAuth: {authorizers: [people]}}]
"""
CLUSTER = """
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: main, namespace: gateways}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443}, hosts: ["*"]}]}
"""
AROUND = known(yaml.safe_load_all(CLUSTER), [PEOPLE, TOKENS])


def rule(authorizer="people", enforcement="Gateway"):
    document = yaml.safe_load(APIRULE)
    document["spec"]["rules"][0]["extAuth"]["authorizers"] = [authorizer]
    document["spec"]["enforcement"] = enforcement
    return apirule.parse(document)


def routed(made, method, path):
    """Where the first route that matches leads, as Envoy reads them; None if it answers itself."""
    for http in translate.translate(made, AROUND)[-1]["spec"]["http"]:
        if any(meets(match, method, path) for match in http["match"]):
            return http["route"][0]["destination"]["host"].partition(".")[0] if "route" in http else None
    return None


def meets(match, method, path):
    ((kind, value),) = match["uri"].items()
    matched = {
        "exact": path == value,
        "prefix": path.startswith(value),
        "regex": kind == "regex" and re.fullmatch(value, path) is not None,
    }[kind]
    return matched and bool(re.fullmatch(match.get("method", {"regex": ".*"})["regex"], method))


def asked(made, method, path):
    """Whether the authorizer wants to know who it is."""
    built = policy.build([made], {"people": PEOPLE, "tokens": TOKENS}, AROUND)
    try:
        return bool(route.match(built, Request(method, "shop.example.com", path)).checks)
    except Refused:
        return None


@pytest.mark.parametrize(
    ("method", "path", "leads_to"),
    [
        ("GET", "/oauth2/start", "oauth2-proxy"),
        ("HEAD", "/oauth2/start", "oauth2-proxy"),
        ("GET", "/oauth2/callback", "oauth2-proxy"),
        ("POST", "/oauth2/callback", "oauth2-proxy"),
        ("GET", "/oauth2/sign_out", "oauth2-proxy"),
        ("GET", "/oauth2/userinfo", "oauth2-proxy"),
        ("GET", "/oauth2/static/css/all.min.css", "oauth2-proxy"),
        ("DELETE", "/oauth2/start", "shop"),
        ("GET", "/oauth2/auth", "shop"),
        ("GET", "/oauth2/start/", "shop"),
        ("GET", "/oauth2/", "shop"),
        ("GET", "/oauth2", "shop"),
        ("GET", "/OAuth2/start", "shop"),
        ("GET", "/oauth2/startx", "shop"),
        ("GET", "/oauth2/static", "shop"),
        ("GET", "/", "shop"),
        ("GET", "/oauth2/static/../../x", None),
        ("GET", "/oauth2/static/%2e%2e/x", None),
        ("GET", "/oauth2//start", None),
        ("GET", "/oauth2/start;x", None),
    ],
)
def test_its_pages_lead_to_oauth2_proxy_unasked_and_all_else_to_the_workload(method, path, leads_to):
    """What is ambiguous is answered before any route."""
    made = rule()
    made = made.model_copy(update={"spec": made.spec.model_copy(update={"ambiguous_paths": "Reject"})})
    assert routed(made, method, path) == leads_to
    assert asked(made, method, path) == {"shop": True, "oauth2-proxy": False, None: None}[leads_to]


def test_a_workload_opens_nothing_for_pages_that_never_reach_it():
    made = rule(enforcement="Workload")
    assert routed(made, "GET", "/oauth2/start") == "oauth2-proxy"
    assert asked(made, "GET", "/oauth2/start") is True


def test_who_serves_public_pages_beside_a_login_is_told_of_no_session_either():
    """Only the authorizer can take a cookie out, so it is asked about every rule; it lets these pass."""
    document = yaml.safe_load(APIRULE)
    public = {"path": "/public", "methods": ["GET"], "noAuth": True}
    document["spec"]["rules"].insert(0, public)
    custom, allow, _ = translate.translate(apirule.parse(document), AROUND)
    paths = [to["operation"]["paths"] for rule in custom["spec"]["rules"] for to in rule["to"]]
    assert ["/public"] in paths
    assert custom["spec"]["action"] == "CUSTOM"
    assert allow["spec"]["rules"][0]["to"][0]["operation"]["paths"] == ["/public"]
    built = policy.build([apirule.parse(document)], {"people": PEOPLE}, AROUND)
    found = route.match(built, Request("GET", "shop.example.com", "/public"))
    assert (found.checks, found.cookies) == ((), ("_oauth2_proxy",))


@pytest.mark.parametrize(("authorizer", "obstructed"), [("people", True), ("tokens", False)])
def test_who_signs_in_has_no_token_that_restrictions_could_ask_for(authorizer, obstructed):
    document = yaml.safe_load(APIRULE)
    restrictions = {
        "authentications": [{"issuer": "https://idp", "jwksUri": "https://idp/keys"}],
        "authorizations": [{"requiredScopes": ["read"]}],
    }
    document["spec"]["rules"][0]["extAuth"] = {"authorizers": [authorizer], "restrictions": restrictions}
    found = [str(problem) for problem in obstacles.problems(apirule.parse(document), AROUND)]
    said = "spec.rules[0].extAuth.restrictions: people who sign in show no token, and these ask for one"
    assert any(each.startswith(said) for each in found) is obstructed
    assert len(found) == obstructed


@pytest.mark.parametrize("enforcement", ["Gateway", "Workload"])
def test_without_sessions_a_host_has_no_such_pages(enforcement):
    made = rule("tokens", enforcement)
    assert routed(made, "GET", "/oauth2/start") == "shop"
    assert asked(made, "GET", "/oauth2/start") is True


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("http://oauth2-proxy.auth:4180", "oauth2-proxy.auth.svc.cluster.local", 4180),
        ("http://oauth2-proxy.auth.svc", "oauth2-proxy.auth.svc.cluster.local", 80),
        ("https://oauth2-proxy.auth.svc", "oauth2-proxy.auth.svc.cluster.local", 443),
        ("http://o.auth.svc.cluster.local:80", "o.auth.svc.cluster.local", 80),
        ("https://login.example.com", "login.example.com", 443),
        ("http://oauth2-proxy:4180", "", 4180),
        ("http://127.0.0.1:4180", "", 4180),
        ("http://[::1]:4180", "", 4180),
    ],
)
def test_its_service_is_read_from_its_address(address, host, port):
    found = login.of(Authorizer("people", (Session(address),)))
    assert found == login.Login(address, host, port, "/oauth2", "_oauth2_proxy")


CORS = {"corsPolicy": {"allowOrigins": [{"exact": "https://app.example.com"}]}}
ASKED_TWICE = (
    "spec.enforcement: Host shop.example.com is below *.example.com of APIRule shop/wide, "
    "so that the gateway asks about it before the workload does: "
    "sessions and corsPolicy take enforcement Gateway here too"
)


@pytest.mark.parametrize(
    ("wide", "authorizer", "spec", "expected"),
    [
        ("Gateway", "people", {}, [ASKED_TWICE]),
        ("Gateway", "tokens", CORS, [ASKED_TWICE]),
        ("Gateway", "tokens", {}, []),
        ("Gateway", "people", {"enforcement": "Gateway"}, []),
        ("Workload", "people", CORS, []),
    ],
)
def test_a_session_that_the_gateway_takes_out_is_not_asked_for_again_at_the_workload(
    wide, authorizer, spec, expected
):
    """The second authorizer would send everybody to sign in for ever, and refuse every preflight."""
    document, general = yaml.safe_load(APIRULE), yaml.safe_load(APIRULE)
    document["spec"] |= spec
    document["spec"]["rules"][0]["extAuth"]["authorizers"] = [authorizer]
    general["metadata"]["name"] = "wide"
    general["spec"] |= {"hosts": ["*.example.com"], "enforcement": wide}
    made = apirule.parse(document)
    owners = hosts.owners([apirule.parse(general), made], AROUND.gateways)
    assert [*map(str, obstacles.problems(made, replace(AROUND, owners=owners)))] == expected
