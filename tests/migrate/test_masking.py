"""A report goes from hand to hand: no credential of an old document stands in it, wherever it stood there."""

import json

import pytest
from click.testing import CliRunner

from authz.cli import main
from authz.migrate.report import masking
from tests.migrate.written import access_rule

SECRET = "S3CR3T-value"
JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.c2ln"


@pytest.mark.parametrize(
    ("at", "text", "expected"),
    [
        ("spec.mutators[0].config.headers.X-Shop", "blue", "***"),
        ("spec.mutators[0].config.headers.X-Shop", "{{ print .Subject }}", "{{ print .Subject }}"),
        ("spec.mutators[0].config.headers.X-Shop", "a {{ .Extra.mail }}", "{{ .Extra.mail }}***"),
        ("spec.mutators[0].config.headers.X-Shop", '{{ print "blue" }}', '{{ print "***" }}'),
        ("mutators[0].config.headers.X", '{{ index .Extra "mail" }}', '{{ index .Extra "mail" }}'),
        ("mutators[0].config.headers.X", '{{ printf "%s" .Subject }}', '{{ printf "%s" .Subject }}'),
        ("mutators[0].config.headers.X", "%REQ(X-Y)% z", "%REQ(X-Y)%***"),
        ("mutators[0].config.headers.X", "request.headers.X: blue", "request.headers.X: ***"),
        ("mutators[0].config.headers.X", "identityHeaders.x: sub", "identityHeaders.x: sub"),
        ("mutators[0].config.cookies.session", "blue", "***"),
        ("config.introspection_request_headers.X-Tenant", "blue", "***"),
        ("config.introspection_request_headers[0]", "blue", "***"),
        (
            "config.jwks_urls",
            "https://idp/keys?apikey=blue, https://b/c",
            "https://idp/keys?***, https://b/c",
        ),
        ("config.jwks_urls", "https://a:b@idp/keys#blue", "https://***@idp/keys#***"),
        ("config.jwks_url", "inline://eyJrZXlzIjpbXX0", "inline:***"),
        ("errors[0].handler", "redirect to https://login?code=blue", "redirect to https://login?***"),
        ("new", f"a {JWT} b", "a *** b"),
        ("new", "Authorization: Basic c2hvcDpzM2NyZXQ=", "Authorization: Basic ***"),
        ("serve.api.tls.key.base64", "blue", "***"),
        ("config.pre_authorization.client_secret", "blue", "***"),
        ("authorizer.config.payload", '{"key": "blue"}', "***"),
        ("spec.metadata.note", "blue", "***"),
        ("spec.secretName", "shop", "shop"),
        ("spec.corsPolicy.allowCredentials", "true", "true"),
        ("authenticators.oauth2_client_credentials.config.token_url", "https://a/b", "https://a/b"),
        ("spec.rules[0].path", "/a?b=c|/d", "/a?b=c|/d"),
    ],
)
def test_what_a_place_and_a_look_hide(at, text, expected):
    assert masking.value(at, text) == expected


def handler(name, **config):
    return {"handler": name, "config": config}


ASKED = {"introspection_url": "https://idp/ask"}
TENANTS = {"X-Tenant": "one", "Accept": SECRET, "Ocp-Apim-Subscription-Key": SECRET}
NO_COLON = {"Authorization": "Basic UzNDUjNULXZhbHVl"}


@pytest.mark.parametrize(
    ("config", "is_enabled"),
    [
        (ASKED | {"introspection_request_headers": TENANTS}, True),
        ({"introspection_request_headers": TENANTS}, True),
        (ASKED | {"introspection_request_headers": TENANTS}, False),
        (ASKED | {"introspection_request_headers": [SECRET]}, True),
        (ASKED | {"introspection_request_headers": NO_COLON}, True),
        (ASKED | {"introspection_request_headers": {"Authorization": f"Basic é{SECRET}"}}, True),
    ],
)
def test_no_header_of_an_introspection_is_told(tmp_path, config, is_enabled):
    rule = access_rule("/a") | {"authenticators": [handler("oauth2_introspection", **config)]}
    enabled = {"authenticators": {"oauth2_introspection": {"enabled": is_enabled}}}
    told = converted(tmp_path, {"rules.json": [rule], "config.yaml": enabled})
    assert "introspection_request_headers" in told
    assert SECRET not in told


RULE = access_rule("/a") | {
    "authenticators": [
        handler("jwt", jwks_urls=[f"https://idp/keys?apikey={SECRET}"], trusted_issuers=["https://idp"]),
        handler(
            "oauth2_introspection",
            introspection_url=f"https://robot:{SECRET}@idp/ask?k={SECRET}",
            introspection_request_headers={"X-Auth": SECRET},
            pre_authorization={"enabled": False, "client_secret": SECRET},
        ),
        handler("bearer_token", check_session_url=f"https://s?k={SECRET}", additional_headers={"X": SECRET}),
    ],
    "authorizer": handler(
        "remote_json", remote=f"https://opa?k={SECRET}", payload=SECRET, headers={"X-Opa": SECRET}
    ),
    "mutators": [
        handler("header", headers={"X-Shared": SECRET, "X-Print": f'{{{{ print "{SECRET}" }}}}'}),
        handler("cookie", cookies={"session": SECRET}),
        handler("hydrator", api={"url": f"https://h?k={SECRET}", "auth": {"basic": {"password": SECRET}}}),
    ],
    "errors": [handler("redirect", to=f"https://login?code={SECRET}")],
}
CLIENT = {
    "apiVersion": "hydra.ory.sh/v1alpha1",
    "kind": "OAuth2Client",
    "metadata": {"name": "shop", "namespace": "apps", "annotations": {"note": SECRET}},
    "spec": {"metadata": {"note": SECRET}, "secretName": "shop", "registrationAccessToken": SECRET},
}
CONFIG = {
    "serve": {"api": {"tls": {"key": {"base64": SECRET}}}},
    "access_rules": {"repositories": [f"inline://{SECRET}", f"https://files?token={SECRET}"]},
    "mutators": {
        "header": {"enabled": True, "config": {"headers": {"X-Key": SECRET}}},
        "cookie": {"enabled": True, "config": {"cookies": {"a": SECRET}}},
        "hydrator": {"enabled": True},
        "id_token": {"enabled": True, "config": {"jwks_url": f"base64://{SECRET}"}},
    },
    "errors": {"handlers": {"redirect": {"enabled": True, "config": {"to": f"https://l?c={SECRET}"}}}},
    "authenticators": {name: {"enabled": True} for name in ("jwt", "oauth2_introspection", "bearer_token")},
    "authorizers": {"remote_json": {"enabled": True}},
}


def converted(folder, files, *answers):
    """All that a person gets to read."""
    for name, body in files.items():
        (folder / name).write_text(json.dumps(body))
    verb = ["migrate", "convert", *(str(folder / name) for name in files), "--offline"]
    reports = ["--report", str(folder / "report.md"), "--json", str(folder / "report.json")]
    printed = [CliRunner().invoke(main, [*verb, *more]).stderr for more in (answers, [*answers, *reports])]
    return "".join([*printed, *((folder / name).read_text() for name in ("report.md", "report.json"))])


@pytest.mark.parametrize("answers", [[], ["--accept", "narrowed:redirect", "--gateway", "a/b"]])
def test_no_secret_is_told_to_anybody(tmp_path, answers):
    files = {"rules.json": [RULE], "client.json": CLIENT, "config.yaml": CONFIG}
    told = converted(tmp_path, files, *answers)
    assert "X-Shared" in told
    assert [line for line in told.splitlines() if SECRET in line] == []
