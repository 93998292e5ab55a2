"""What the real Oathkeeper v0.40.9 answers: the facts that `authz migrate` leans on, told as tables."""

import base64
import time
from typing import Any

import pytest

from tests.migrate import ory
from tests.migrate.ory import HYDRA_CLIENT, access_rule

pytestmark = pytest.mark.slow

HOST = "shop.example.com"
GLOBS = ("/a/<*>", "/b/<**>", "/c/<{x,y*}>", "/d<?>", "/e/<[a-c]>", "/e/<[!a-c]>z")
JWT_CLIENT = ("jwt-robot", "jwt-robot-secret")


def handler(name, **config):
    return {"handler": name, "config": config}


def rules(issuer, other):
    jwt: dict[str, dict[str, Any]] = {
        "/any-issuer": {},
        "/issuer": {"trusted_issuers": [issuer.url]},
        "/audiences": {"target_audience": ["x", "y"]},
        "/scope": {"required_scope": ["read"], "scope_strategy": "exact"},
        "/hierarchic": {"required_scope": ["a.b"], "scope_strategy": "hierarchic"},
        "/wildcard": {"required_scope": ["a.b"]},
        "/no-strategy": {"required_scope": ["read"], "scope_strategy": "none"},
        "/algorithm": {"allowed_algorithms": ["RS512"]},
        "/two-sets": {"jwks_urls": [other, issuer.url + ory.JWKS_PATH]},
        "/query": {"token_from": {"query_parameter": "t"}},
        "/cookie": {"token_from": {"cookie": "t"}},
        "/header": {"token_from": {"header": "X-Token"}},
        "/Authorization": {"token_from": {"header": "Authorization"}},
    }
    introspected = handler("oauth2_introspection", required_scope=["notes:read"])
    believed = handler("jwt", trusted_issuers=[issuer.url])
    told = {
        "X-User": "{{ print .Subject }}",
        "X-Mail": "{{ print .Extra.email }}",
        "X-None": "{{ .Extra.no }}",
    }
    both = {"X-Scopes": "{{ print .Extra.scp }}"}
    others = {
        "/noop": [{"handler": "noop"}],
        "/anonymous": [{"handler": "anonymous"}],
        "/unauthorized": [{"handler": "unauthorized"}],
        "/disabled": [{"handler": "cookie_session"}],
        "/nobody": [],
        "/introspected": [introspected],
        "/client": [handler("oauth2_client_credentials", required_scope=["notes:read"])],
        "/misspelt": [handler("oauth2_client_credentials", required_scopes=["notes:read"])],
        "/jwt-or-opaque": [believed, introspected],
        "/opaque-or-jwt": [introspected, believed],
        "/jwt-or-anonymous": [believed, {"handler": "anonymous"}],
        "/jwt-or-noop": [believed, {"handler": "noop"}],
    }
    return [
        *(at(path, handler("jwt", **config)) for path, config in jwt.items()),
        *(at(path, *handlers) for path, handlers in others.items()),
        at("/headers", {"handler": "jwt"}, mutators=[handler("header", headers=told)]),
        at("/twice", believed, mutators=[handler("header", headers=both), handler("header", headers=told)]),
        at("/cookies", {"handler": "jwt"}, mutators=[handler("cookie", cookies={"u": "{{ .Subject }}"})]),
        at("/unmutated", {"handler": "noop"}, mutators=[]),
        at("/undecided", {"handler": "noop"}, authorizer={}),
        at("/denied", {"handler": "noop"}, authorizer={"handler": "deny"}),
        at("/a|/a/.*", {"handler": "noop"}, methods=["GET", "POST"]),
        at("/a/both", {"handler": "noop"}),
        at("/dots.", {"handler": "noop"}),
        at("/%61/raw", {"handler": "noop"}),
    ]


def at(path, *authenticators, **more):
    """As Kyma writes it for a rule of an APIRule."""
    return access_rule(f"<http|https>://{HOST}<{path}>", *authenticators, **more)


@pytest.fixture(scope="module")
def issuer(issuers):
    return issuers.issuer("shop")


@pytest.fixture(scope="module")
def running(tmp_path_factory, hydra, issuers, issuer):
    hydra.register(JWT_CLIENT, "notes:read", [], "jwt")
    config = ory.kyma_config(issuers.jwks_url("shop"), hydra)
    made = rules(issuer, issuers.jwks_url("other"))
    with ory.oathkeeper(tmp_path_factory.mktemp("oathkeeper"), made, config) as it:
        yield it


@pytest.fixture(scope="module")
def tokens(hydra, issuers, issuer):
    now = int(time.time())
    good = {"iss": issuer.url, "sub": "alice", "exp": now + 600, "iat": now, "scope": "read a.b"}
    good |= {"aud": ["x", "y"], "email": "alice@example.com"}

    def sign(by=issuer, header=None, **changes):
        claims = {name: value for name, value in (good | changes).items() if value is not None}
        return by.sign(claims, **(header or {}))

    revoked = hydra.token()
    hydra.revoke(revoked)
    return {
        "good": sign(),
        "expired": sign(exp=now - 5),
        "not yet": sign(nbf=now + 30),
        "issued later": sign(iat=now + 30),
        "endless": sign(exp=None),
        "no subject": sign(sub=None),
        "no issuer": sign(iss=None),
        "other issuer": sign(iss="https://elsewhere.example"),
        "other key": sign(by=issuers.issuer("other")),
        "strange key": sign(by=issuers.issuer("stranger")),
        "no kid": sign(header={"kid": ""}),
        "id token": sign(header={"typ": "JWT"}, at_hash="x"),
        "one audience": sign(aud=["x"]),
        "audience as text": sign(aud="x"),
        "other scope": sign(scope="write"),
        "scp": sign(scope=None, scp=["read"]),
        "scopes": sign(scope=None, scopes="read"),
        "scp before scope": sign(scp=["write"]),
        "a": sign(scope="a"),
        "a.b.c": sign(scope="a.b.c"),
        "a.*": sign(scope="a.*"),
        "*": sign(scope="*"),
        "garbage": "garbage",
        "three parts": "a.b.c",
        "opaque": hydra.token(),
        "opaque without scope": hydra.token("notes:write"),
        "revoked": revoked,
        "hydra's jwt": hydra.token("notes:read", "", JWT_CLIENT),
    }


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        (
            "/any-issuer",
            {"none": 401, "good": 200, "garbage": 401, "three parts": 401, "expired": 401, "not yet": 401}
            | {"issued later": 401, "endless": 200, "no subject": 200, "no issuer": 200, "other issuer": 200}
            | {"other key": 401, "strange key": 401, "no kid": 401, "id token": 200, "opaque": 401},
        ),
        ("/issuer", {"good": 200, "other issuer": 401, "no issuer": 401, "no subject": 200}),
        ("/audiences", {"good": 200, "one audience": 401, "audience as text": 401}),
        (
            "/scope",
            {"good": 200, "other scope": 401, "scp": 200, "scopes": 200, "scp before scope": 401, "*": 401},
        ),
        ("/hierarchic", {"good": 200, "a": 200, "a.b.c": 401, "a.*": 401, "*": 401}),
        ("/wildcard", {"good": 200, "a": 401, "a.b.c": 401, "a.*": 200, "*": 200}),
        ("/no-strategy", {"good": 401, "none": 401}),
        ("/algorithm", {"good": 401}),
        ("/two-sets", {"good": 200, "other key": 200, "strange key": 401}),
        (
            "/introspected",
            {"none": 401, "opaque": 200, "opaque without scope": 403, "revoked": 401, "garbage": 401}
            | {"good": 401, "hydra's jwt": 200},
        ),
        ("/jwt-or-opaque", {"none": 401, "good": 200, "opaque": 200, "three parts": 401, "hydra's jwt": 401}),
        ("/opaque-or-jwt", {"none": 401, "good": 401, "opaque": 200}),
        ("/jwt-or-anonymous", {"none": 200, "good": 200, "opaque": 401, "expired": 401}),
        ("/jwt-or-noop", {"none": 200, "good": 200, "opaque": 200, "expired": 401}),
        ("/noop", {"none": 200, "good": 200, "garbage": 200}),
        ("/anonymous", {"none": 200, "good": 401, "garbage": 401}),
        ("/unauthorized", {"none": 401, "good": 401}),
        ("/disabled", {"none": 500, "good": 500}),
        ("/misspelt", {"none": 500, "good": 500}),
        ("/nobody", {"none": 500}),
        ("/unmutated", {"none": 500}),
        ("/undecided", {"none": 500, "good": 500}),
        ("/denied", {"none": 403, "good": 403}),
    ],
)
def test_a_bearer_token_is_judged(running, tokens, path, statuses):
    def status(token):
        headers = {} if token == "none" else {"authorization": f"Bearer {tokens[token]}"}
        return running.decide(HOST, path, headers=headers).status_code

    assert {token: status(token) for token in statuses} == statuses


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/any-issuer", {"authorization": "bearer {good}"}, 200),
        ("/any-issuer", {"authorization": "Bearer  {good}"}, 401),
        ("/any-issuer", {"authorization": "Bearer {good}, Bearer {good}"}, 401),
        ("/any-issuer", {"authorization": "{good}"}, 401),
        ("/Authorization", {"authorization": "Bearer {good}"}, 200),
        ("/query?t={good}", {}, 200),
        ("/query?t={good}&t={expired}", {}, 200),
        ("/query?t={expired}&t={good}", {}, 401),
        ("/query", {"authorization": "Bearer {good}"}, 401),
        ("/query", {"x-forwarded-uri": "/query?t={good}"}, 401),  # only its path is read
        ("/cookie", {"cookie": "t={good}"}, 200),
        ("/cookie", {"cookie": "t={good}; t={expired}"}, 200),
        ("/cookie", {"cookie": "t={expired}; t={good}"}, 401),
        ("/cookie", {"cookie": 't="{good}"'}, 200),
        ("/header", {"x-token": "{good}"}, 200),
        ("/header", {"x-token": "Bearer {good}"}, 401),
        ("/header", {"authorization": "Bearer {good}"}, 401),
    ],
)
def test_a_token_is_taken_from_one_place_and_there_the_first(running, tokens, target, headers, status):
    sent = {name: value.format_map(tokens) for name, value in headers.items()}
    assert running.decide(HOST, target.format_map(tokens), headers=sent).status_code == status


@pytest.mark.parametrize(
    ("client", "status"),
    [(None, 401), (HYDRA_CLIENT, 200), ((HYDRA_CLIENT[0], "wrong"), 401), (JWT_CLIENT, 200)],
)
def test_a_program_shows_the_secret_that_it_would_get_a_token_for(running, client, status):
    basic = base64.b64encode(":".join(client or ()).encode()).decode()
    headers = {"authorization": f"Basic {basic}"} if client else {}
    assert running.decide(HOST, "/client", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("method", "host", "path", "status"),
    [
        ("GET", HOST, "/a", 200),
        ("GET", HOST, "/a/", 200),
        ("GET", HOST, "/a/b", 200),
        ("GET", HOST, "/ab", 404),
        ("GET", HOST, "//a", 404),
        ("GET", HOST, "/a//b", 200),
        ("GET", HOST, "/a%2Fb", 200),  # decoded before it is compared
        ("GET", HOST, "/%61", 200),
        ("GET", HOST, "/a/raw", 200),
        ("GET", HOST, "/%61/raw", 200),
        ("GET", HOST, "/a/../noop", 200),  # as it is: it begins with /a/
        ("GET", HOST, "/noop/", 404),
        ("GET", HOST, "/NOOP", 404),
        ("GET", HOST, "/noop;x", 404),
        ("GET", HOST, "/noop?x=y", 200),
        ("GET", HOST, "/dotsX", 200),
        ("POST", HOST, "/a", 200),
        ("post", HOST, "/a", 200),
        ("PUT", HOST, "/a", 404),
        ("HEAD", HOST, "/noop", 404),
        ("OPTIONS", HOST, "/noop", 404),
        ("GET", HOST, "/a/both", 500),  # two rules
        ("POST", HOST, "/a/both", 200),
        ("GET", f"{HOST}:443", "/noop", 404),
        ("GET", HOST.upper(), "/noop", 404),
        ("GET", f"{HOST}.", "/noop", 404),
        ("GET", "other.example.com", "/noop", 404),
    ],
)
def test_one_rule_names_the_method_and_the_whole_url(running, method, host, path, status):
    assert running.decide(host, path, method).status_code == status


def test_a_path_in_a_header_is_not_decoded(running):
    """The proxy decodes; so whoever asks on its behalf puts the path into the URL."""
    assert running.decide(HOST, headers={"x-forwarded-uri": "/a%2Fb"}).status_code == 404
    assert running.decide(HOST, headers={"x-forwarded-uri": "/a/b"}).status_code == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/headers", {"x-user": "alice", "x-mail": "alice@example.com", "x-server": "oathkeeper"}),
        ("/headers", {"x-none": "<no value>", "x-scopes": None}),
        ("/twice", {"x-scopes": "[read a.b]", "x-user": "alice"}),
        ("/cookies", {"cookie": "c=1; processedWith=oathkeeper; u=alice"}),
    ],
)
def test_what_mutators_set_is_answered_and_defaults_are_added(running, tokens, path, headers):
    sent = {"authorization": f"Bearer {tokens['good']}", "cookie": "c=1", "x-user": "mallory"}
    told = running.decide(HOST, path, headers=sent).headers
    assert {name: told.get(name) and sorted_cookies(name, told[name]) for name in headers} == headers


def sorted_cookies(name, value):
    """Oathkeeper has them in any order."""
    return "; ".join(sorted(value.split("; "))) if name == "cookie" else value


@pytest.fixture(scope="module")
def globbing(tmp_path_factory):
    made = [access_rule(f"https://{HOST}{path}", {"handler": "noop"}) for path in GLOBS]
    with ory.oathkeeper(tmp_path_factory.mktemp("globs"), made, ory.kyma_config(), "glob") as it:
        yield it


@pytest.mark.parametrize(
    ("rule", "path", "status"),
    [
        ("/a/<*>", "/a/b", 200),
        ("/a/<*>", "/a/b/c", 404),
        ("/a/<*>", "/a/b.c", 404),  # a dot separates too
        ("/b/<**>", "/b/c/d.e", 200),
        ("/b/<**>", "/b/", 200),
        ("/c/<{x,y*}>", "/c/x", 200),
        ("/c/<{x,y*}>", "/c/yz", 200),
        ("/c/<{x,y*}>", "/c/z", 404),
        ("/d<?>", "/d1", 200),
        ("/d<?>", "/d", 404),
        ("/e/<[a-c]>", "/e/b", 200),
        ("/e/<[!a-c]>z", "/e/dz", 200),
    ],
)
def test_globs_stop_at_slashes_and_dots(globbing, rule, path, status):
    assert rule in GLOBS
    assert globbing.decide(HOST, path).status_code == status


def test_one_broken_expression_breaks_every_rule_of_its_methods(tmp_path):
    """Whoever writes it, the whole cluster gets 500."""
    made = [at("/good", {"handler": "noop"}, methods=["GET", "POST"]), at("/broken(", {"handler": "noop"})]
    with ory.oathkeeper(tmp_path, made, ory.kyma_config()) as running:
        assert running.decide(HOST, "/good").status_code == 500
        assert running.decide(HOST, "/good", "POST").status_code == 200


def test_the_proxy_forwards_what_decisions_allow(tmp_path):
    with ory.upstream() as workload:
        sent_on = {"upstream": {"url": workload}, "mutators": [handler("header", headers={"X-User": "u"})]}
        made = [at("/.*", {"handler": "anonymous"}, **sent_on)]
        with ory.oathkeeper(tmp_path, made, ory.kyma_config()) as running:
            seen = ory.through(running.proxy, HOST, "/x%2Fy?q=1")
            refused = ory.through(running.proxy, HOST, "/x", {"authorization": "Bearer x"})
    assert (seen.json()["path"], seen.json()["headers"]["x-user"]) == ("/x%2Fy?q=1", "u")
    assert refused.status_code == 401
