"""What real Envoys do with the compiled configuration: the facts on which paths and policies rest."""

import json
import socket
import ssl
from http.client import RemoteDisconnected

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from authz.core import path
from authz.core.path import Kind
from tests.local.envoys import exchange, laptop, wait_until
from tests.local.meshes import (
    GATEWAY,
    operation,
    policy,
    resource,
    to_shop,
    virtual_service,
)

pytestmark = pytest.mark.slow


JWKS = "http://idp.example.com/jwks.json"
KEY = RSAKey.generate_key(2048, {"kid": "a"})
FROM_GATEWAY = {"from": [{"source": {"principals": [GATEWAY]}}]}

# What can stand in a path as itself: Envoy cuts at `?`, and answers `#` with 400.
PRINTABLE = [chr(code) for code in range(0x21, 0x7F) if chr(code) not in "?#"]
FILLINGS = ["", "a", "a/", "a/b", "//", "%2f", "%5B", "%zz", "%", "A.b", *(f"a{each}b" for each in PRINTABLE)]
# A pattern, and the requests on both sides of its edge: what is filled in for `~`.
PATTERNS = {
    "segment": ("/t/{*}", "/t/~"),
    "between": ("/a/{*}/e", "/a/~/e"),
    "rest": ("/{*}/t/{**}", "/~/t/~"),
    "prefix": ("/p/{**}", "/p~"),
    "everything": ("/*", "/~"),
    "exact": ("/x.y(z)$", "/x.y(z)$~"),
}


def on(host, **fields):
    return operation(hosts=[host, f"{host}:*"], **fields)


def route(host, *http):
    made = virtual_service(*http, hosts=(host,))
    return made | {"metadata": {"name": host, "namespace": "apps"}}


def allow(*rules):
    """Every rule for the gateway alone, as the translation has it."""
    return policy(*(FROM_GATEWAY | rule for rule in rules))


def matching(pattern):
    """How the translation writes a pattern for a policy, and for a virtual service."""
    parsed = path.parse(pattern)
    match parsed.kind:
        case Kind.EXACT:
            return parsed.text, {"exact": parsed.text}
        case Kind.PREFIX:
            return f"{parsed.text}*", {"prefix": parsed.text}
        case Kind.TEMPLATE:
            return parsed.text, {"regex": parsed.regex}


def everywhere():
    """For each pattern a host that routes by it, one that allows by it, and one that allows all but it."""
    for name, (pattern, _) in PATTERNS.items():
        written, uri = matching(pattern)
        yield route(f"{name}.route", to_shop(match=[{"uri": uri}]))
        yield route(f"{name}.paths", to_shop())
        yield route(f"{name}.not-paths", to_shop())
        rules = [on(f"{name}.route"), on(f"{name}.paths", paths=[written])]
        rules.append(on(f"{name}.not-paths", paths=["/*"], notPaths=[written]))
        yield allow(*rules) | {"metadata": {"name": name, "namespace": "apps"}}


def others():
    yield route("open.test", to_shop())
    yield allow(on("open.test")) | {"metadata": {"name": "open", "namespace": "apps"}}
    yield route("refused.test", {"directResponse": {"status": 400, "body": {"string": "no"}}})
    yield route(
        "*.wild.test", to_shop(headers={"request": {"set": {"x-a": "%REQ(:AUTHORITY)%"}, "remove": ["x-b"]}})
    )
    yield allow(on("*.wild.test")) | {"metadata": {"name": "wild", "namespace": "apps"}}
    yield route("asked.test", to_shop())
    yield allow(on("asked.test")) | {"metadata": {"name": "asked", "namespace": "apps"}}
    asked = policy(on("asked.test", paths=["/asked"]), action="CUSTOM", provider={"name": "authz"})
    yield asked | {"metadata": {"name": "custom", "namespace": "apps"}}
    yield route("token.test", to_shop())
    caller = {"from": [{"source": {"principals": [GATEWAY], "requestPrincipals": ["http://idp/*"]}}]}
    scope = {"when": [{"key": "request.auth.claims[scope]", "values": ["read"]}]}
    yield policy(caller | on("token.test") | scope) | {"metadata": {"name": "token", "namespace": "apps"}}
    rules = [
        {"issuer": "http://idp", "jwksUri": JWKS},
        {"issuer": "http://down", "jwksUri": "http://down/jwks"},
    ]
    yield resource("RequestAuthentication", "shop", {"jwtRules": rules})


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    jwks = {JWKS: json.dumps({"keys": [KEY.as_dict(private=False)]})}
    with laptop(tmp_path_factory.mktemp("envoys"), [*everywhere(), *others()], jwks=jwks) as started:
        yield started


def seen(running, asked):
    """The path as the application gets it: Envoy resolves and encodes some of what clients send."""
    answer = running.ask("open.test", asked)
    assert answer.status == 200, (asked, answer)
    return json.loads(answer.body)["path"]


@pytest.mark.parametrize("name", PATTERNS)
def test_routes_policies_and_the_authorizer_mean_the_same_paths(running, name):
    pattern, shape = PATTERNS[name]
    for filling in FILLINGS:
        asked = shape.replace("~", filling)
        meant = path.parse(pattern).matches(seen(running, asked))
        status = [running.ask(f"{name}.{kind}", asked).status for kind in ("route", "paths", "not-paths")]
        assert (asked, status) == (asked, [200, 200, 403] if meant else [404, 403, 200])


@pytest.mark.parametrize(
    ("host", "beside"),
    [("segment.paths", {"/", "\\", "[", "]"}), ("rest.paths", {"[", "]"})],
)
def test_the_wildcards_of_templates_match_all_that_can_be_printed_but_brackets(running, host, beside):
    shape = "/t/a{}b" if host.startswith("segment") else "/a/t/a{}b"
    unmatched = {each for each in PRINTABLE if running.ask(host, shape.format(each)).status != 200}
    assert unmatched == beside


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("open.test", 200),
        ("OPEN.test", 200),
        ("open.test:8443", 200),
        ("refused.test", 400),
        ("unknown.test", 404),
        ("a.wild.test", 200),
        ("a.b.wild.test", 200),
        ("wild.test", 404),
        ("a.wild.test:8443", 403),
    ],
)
def test_a_host_is_found_whatever_its_case_and_port(running, host, status):
    assert running.ask(host, "/").status == status


def test_the_workload_hears_what_the_route_sets(running):
    answer = running.ask("a.wild.test", "/", x_a="mine", x_b="mine")
    headers = json.loads(answer.body)["headers"]
    assert (headers["x-a"], headers.get("x-b")) == ("a.wild.test", None)


def test_a_forged_client_certificate_header_does_not_pass_the_gateway(running):
    answer = running.ask("open.test", "/", x_forwarded_client_cert="URI=spiffe://forged")
    heard = json.loads(answer.body)["headers"]["x-forwarded-client-cert"]
    assert "forged" not in heard
    assert f"URI=spiffe://{GATEWAY}" in heard


@pytest.mark.parametrize(("asked", "status"), [("/asked", 503), ("/asked?x=1", 503), ("/other", 200)])
def test_an_authorizer_that_is_down_refuses_what_it_is_asked_about(running, asked, status):
    assert running.ask("asked.test", asked).status == status


def token(**claims):
    return jwt.encode(
        {"alg": "RS256", "kid": "a"}, {"iss": "http://idp", "sub": "u", "exp": 4e9} | claims, KEY
    )


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"authorization": "Bearer " + token(scope="write read")}, 200),
        ({"authorization": "Bearer " + token(scope=["read"])}, 200),
        ({"authorization": "Bearer " + token(scope="readers")}, 403),
        ({"authorization": "Bearer " + token(scope="read", exp=1)}, 401),
        ({"authorization": "Bearer " + token(scope="read", iss="http://down")}, 401),
        ({"authorization": "Bearer " + token(scope="read", iss="http://other")}, 401),
        ({"authorization": "Bearer x"}, 401),
    ],
)
def test_the_mesh_checks_tokens_and_claims(running, headers, status):
    assert running.ask("token.test", "/", **headers).status == status


def test_a_sidecar_does_not_speak_plain_text(running):
    with pytest.raises(RemoteDisconnected):
        exchange(running.mesh.workloads[0].listen.port, "GET / HTTP/1.1\r\nhost: open.test\r\n\r\n")


def test_a_sidecar_asks_for_a_certificate(running):
    anybody = ssl.create_default_context(cafile=running.mesh.ca)
    anybody.check_hostname = False
    where = running.mesh.workloads[0].listen
    with (
        socket.create_connection((where.host, where.port)) as connection,
        anybody.wrap_socket(connection) as tls,
        pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"),
    ):
        tls.recv(1)


def test_both_proxies_log_one_line_without_the_query(running):
    running.ask("open.test", "/logged?token=secret")
    wait_until(lambda: len(logged(running)) == 2)
    lines = {line["proxy"]: line for line in logged(running)}
    gateway, sidecar = lines["gateway"], lines["sidecar"]
    assert gateway["request_id"] == sidecar["request_id"]
    assert (gateway["method"], gateway["authority"], gateway["status"]) == ("GET", "open.test", 200)
    assert (gateway["details"], gateway["flags"]) == ("via_upstream", "-")
    assert "secret" not in str(lines)


def test_the_log_tells_what_a_route_answers_itself(running):
    running.ask("refused.test", "/told")
    wait_until(lambda: logged(running, "/told"))
    [line] = logged(running, "/told")
    assert (line["status"], line["details"], line["body"]) == (400, "direct_response", "no")


def logged(running, path="/logged"):
    return [line for line in running.log() if line["path"] == path]


def test_a_change_of_rules_is_picked_up_without_a_restart(tmp_path):
    with laptop(tmp_path, [route("a.test", to_shop()), allow(on("a.test"))]) as started:
        assert started.ask("a.test", "/").status == 200
        started.publish([route("a.test", to_shop()), allow(on("b.test"))])
        wait_until(lambda: started.ask("a.test", "/").status == 403)
        started.publish([])
        wait_until(lambda: started.ask("a.test", "/").status == 404)
