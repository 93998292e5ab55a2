"""Every field of the old schemas has a row: nothing that may be written is dropped in silence."""

from typing import Any

import pytest

from authz.migrate.conversion.convert import convert
from authz.migrate.conversion.model.choices import Choices
from authz.migrate.conversion.pipeline.handlers import HANDLERS
from authz.migrate.conversion.pipeline.mutators import MUTATORS
from authz.migrate.conversion.pipeline.schemas import SETTINGS
from authz.migrate.old import reading
from authz.migrate.report import rows as report

SERVICE = {"name": "s", "namespace": "n", "port": 80, "external": False}
CORS = {
    "allowOrigins": [{"exact": "a"}, {"prefix": "b"}, {"regex": "c"}],
    "allowMethods": ["GET"],
    "allowHeaders": ["a"],
    "exposeHeaders": ["a"],
    "allowCredentials": True,
    "maxAge": "1s",
}
HTTP = {"port": 1, "host": "h", "timeout": {"read": "1s", "write": "1s", "idle": "1s"}}
TLS = {"key": {"path": "p", "base64": "b"}, "cert": {"path": "p", "base64": "b"}}
PROXY_CORS = {
    "enabled": True,
    "allowed_origins": ["*"],
    "allowed_methods": ["GET"],
    "allowed_headers": ["a"],
    "exposed_headers": ["a"],
    "allow_credentials": True,
    "max_age": 1,
    "debug": True,
}
CLIENT = {
    "clientName": "c",
    "grantTypes": ["authorization_code"],
    "responseTypes": ["code"],
    "redirectUris": ["https://a"],
    "postLogoutRedirectUris": ["https://a"],
    "allowedCorsOrigins": ["https://a"],
    "audience": ["a"],
    "scope": "a",
    "scopeArray": ["a"],
    "secretName": "s",
    "hydraAdmin": {"url": "u", "port": 1, "endpoint": "/c", "forwardedProto": "https"},
    "tokenEndpointAuthMethod": "client_secret_basic",
    "metadata": {"a": "b"},
    "jwksUri": "https://a",
    "frontChannelLogoutURI": "https://a",
    "frontChannelLogoutSessionRequired": True,
    "backChannelLogoutURI": "https://a",
    "backChannelLogoutSessionRequired": True,
    "skipConsent": True,
    "accessTokenStrategy": "jwt",
    "tokenLifespans": {"client_credentials_grant_access_token_lifespan": "1h"},
    "deletionPolicy": "delete",
}


def full(handler: str) -> dict[str, Any]:
    """The handler with every setting that it knows, whatever they say."""
    return {"handler": handler, "config": {name: {"a": ["b"]} for name in sorted(SETTINGS[handler])}}


def apirule(version: str, strategies: list[Any], mutators: list[Any]) -> dict[str, Any]:
    rule = {"path": "/.*", "methods": ["GET"], "service": SERVICE, "timeout": 3}
    rule |= {"accessStrategies": strategies, "mutators": mutators}
    spec = {"gateway": "a/b", "timeout": 2, "corsPolicy": CORS, "rules": [rule]}
    if version == "v1alpha1":
        spec["service"] = {"name": "s", "port": 80, "host": "h.example.com", "external": True}
    else:
        spec |= {"host": "h.example.com", "service": SERVICE}
    name = {"name": "n", "namespace": "s", "labels": {"a": "b"}, "annotations": {"a": "b"}, "uid": "u"}
    return {
        "apiVersion": f"gateway.kyma-project.io/{version}",
        "kind": "APIRule",
        "metadata": name,
        "spec": spec,
        "status": {"APIRuleStatus": {"code": "OK", "desc": "d"}, "virtualServiceStatus": {"code": "OK"}},
    }


def access_rule(authenticator: str, mutator: str, error: str, authorizer: str) -> dict[str, Any]:
    return {
        "id": "i",
        "version": "v0.40",
        "description": "d",
        "upstream": {"url": "http://s.n:80", "strip_path": "/x", "preserve_host": True},
        "match": {
            "url": "http://h.example.com/<.*>",
            "methods": ["GET"],
            "authority": "a",
            "full_method": "m",
        },
        "authenticators": [full(authenticator)],
        "authorizer": full(authorizer),
        "mutators": [full(mutator)],
        "errors": [full(error)],
    }


def silent(body: Any) -> list[str]:
    world = reading.read([("f", body)])
    findings = convert(world, Choices(gateway="a/b")).findings
    (one,) = world.objects
    return [at for at, value in report.silent(one.body, findings) if value != {}]


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_every_field_of_an_apirule(version, handler):
    assert silent(apirule(version, [full(handler)], [full(name) for name in MUTATORS])) == []


@pytest.mark.parametrize("authenticator", [name for name in HANDLERS if name not in ("allow", "no_auth")])
@pytest.mark.parametrize("mutator", MUTATORS)
def test_every_field_of_an_access_rule(authenticator, mutator):
    for authorizer in ("allow", "deny", "remote", "remote_json", "keto_engine_acp_ory"):
        for error in ("json", "redirect", "www_authenticate"):
            assert silent(access_rule(authenticator, mutator, error, authorizer)) == []


def test_every_field_of_a_rule_of_kubernetes():
    rule = access_rule("jwt", "header", "redirect", "remote_json")
    upstream = {"url": "http://s.n:80", "stripPath": "/x", "preserveHost": True}
    spec = {name: value for name, value in rule.items() if name not in ("id", "version")}
    spec |= {"upstream": upstream, "configMapName": "c"}
    body = {
        "apiVersion": "oathkeeper.ory.sh/v1alpha1",
        "kind": "Rule",
        "metadata": {"name": "r"},
        "spec": spec,
    }
    assert silent(body) == []


def test_every_setting_of_oathkeeper():
    errors = {
        name: {"enabled": True, "config": full(name)["config"]}
        for name in ("json", "redirect", "www_authenticate")
    }
    written = {
        "serve": {
            "api": HTTP | {"cors": PROXY_CORS, "tls": TLS},
            "proxy": HTTP | {"cors": PROXY_CORS, "tls": TLS, "trust_forwarded_headers": True},
            "prometheus": {"port": 1, "metrics_path": "/", "hide_request_paths": True},
        },
        "access_rules": {"repositories": ["file:///r"], "matching_strategy": "regexp"},
        "errors": {"fallback": ["json", "redirect"], "handlers": errors},
        "log": {"level": "info"},
        "tracing": {"provider": "otel"},
        "profiling": "cpu",
        "version": "v0.40",
    }
    for section, names in (
        ("authenticators", [name for name in HANDLERS if name not in ("allow", "no_auth")]),
        ("authorizers", ["allow", "deny", "remote", "remote_json", "keto_engine_acp_ory"]),
        ("mutators", list(MUTATORS)),
    ):
        written[section] = {name: {"enabled": True, "config": full(name)["config"]} for name in names}
    findings = convert(reading.read([("config.yaml", written)])).findings
    assert [at for at, value in report.silent(written, findings) if value != {}] == []
    assert [one for one in findings if one.code == "unknown"] == []


def test_every_field_of_an_oauth2_client():
    body = {
        "apiVersion": "hydra.ory.sh/v1alpha1",
        "kind": "OAuth2Client",
        "metadata": {"name": "c"},
        "spec": CLIENT,
    }
    made = convert(reading.read([("f", body)]))
    assert list(report.silent({"spec": CLIENT}, made.findings)) == []
    assert [one for one in made.findings if one.code == "unknown"] == []
    (client,) = made.clients
    assert client["oauth2_proxy"]["redirect_url"] == "https://a"


def test_what_no_schema_has_is_named_too():
    body = apirule("v1beta1", [full("noop")], [])
    body["spec"]["priority"] = 3
    findings = convert(reading.read([("f", body)])).findings
    assert [one.field for one in findings if one.code == "unknown"] == ["spec.priority"]
