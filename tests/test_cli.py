"""The command line: verbs, exit codes, and what a person reads."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner, Result

from authz import example
from authz.cli import main

SAMPLES = Path(__file__).parent.parent / "config" / "samples"

RULE = """
apiVersion: gateway.kyma-project.io/v2
kind: APIRule
metadata: {name: shop, namespace: apps}
spec:
  hosts: [shop.example.com]
  gateway: istio-system/gateway
  service: {name: shop, port: 80}
  rules:
  - {path: "/public/{**}", methods: [GET], noAuth: true}
  - {path: "/*", methods: [GET, POST], extAuth: {authorizers: [foreign]}}
"""
BAD = RULE.replace("noAuth: true", "noAuth: maybe")


@pytest.fixture
def rule(tmp_path):
    path = tmp_path / "rule.yaml"
    path.write_text(RULE)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], prog_name="authz")


def verbs(command, path=()):
    """Those that do something, with the groups before them."""
    if not isinstance(command, click.Group):
        return [path]
    return [found for name, one in command.commands.items() for found in verbs(one, (*path, name))]


@pytest.mark.parametrize("path", verbs(main), ids=" ".join)
def test_every_verb_teaches_itself_by_an_example(path):
    result = run(*path, "--help")
    assert result.exit_code == 0
    usage, _, rest = result.stdout.partition("\n")
    assert usage.startswith(f"Usage: authz {' '.join(path)}")
    assert f"authz {' '.join(path)}" in rest
    assert "\\b" not in rest


@pytest.mark.parametrize("group", [[], ["config"], ["migrate"]])
def test_a_group_says_what_is_in_it(group):
    result = run(*group, "--help")
    assert (result.exit_code, "Commands:" in result.stdout) == (0, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["render"],
        ["render", "/does/not/exist"],
        ["serve"],
        ["explain", SAMPLES],
        ["explain", SAMPLES, "--request", "a"],
    ],
)
def test_wrong_usage_exits_2(arguments):
    assert run(*arguments).exit_code == 2


def test_the_samples_render_as_istio_resources():
    result = run("render", SAMPLES)
    assert (result.exit_code, result.stderr) == (0, "")
    kinds = {document["kind"] for document in yaml.safe_load_all(result.stdout)}
    assert kinds == {"VirtualService", "AuthorizationPolicy", "RequestAuthentication"}


def test_problems_go_to_stderr_all_at_once_and_nothing_to_stdout(rule):
    rule.write_text(BAD.replace("port: 80", "port: 0"))
    result = run("render", rule)
    assert (result.exit_code, result.stdout) == (1, "")
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
        "spec.service.port",
        "spec.rules[0].noAuth",
    ]
    assert all(line.startswith(f"{rule}: ") for line in result.stderr.splitlines())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["--url", "http://shop.example.com/public/x"],
            ["allowed: PUBLIC", "apps/shop/0: GET /public/{**} [public]  <- decides"],
        ),
        (
            ["--url", "https://shop.example.com:8443/x", "-X", "post"],
            ["refused with 403: AUTHORIZER_ELSEWHERE", "(not for POST)", "[foreign]  <- decides"],
        ),
        (["--url", "http://shop.example.com/x"], ["(another path)"]),
        (
            ["--url", "http://shop.example.com/x", "-X", "PUT"],
            ["refused with 403: RULE_MISSING", "the gateway answers 404"],
        ),
        (
            ["--url", "http://other.example.com/x"],
            ["refused with 403: HOST_UNKNOWN", "the gateway answers 404"],
        ),
        (["--url", "http://shop.example.com//x"], ["refused with 400: PATH_AMBIGUOUS"]),
    ],
)
def test_explain_says_which_rule_and_why(rule, arguments, expected):
    result = run("explain", rule, *arguments)
    assert result.exit_code == 0, result.stderr
    for text in expected:
        assert text in result.stdout


def test_explain_says_where_the_mesh_decides():
    result = run("explain", SAMPLES, "--url", "http://reports.localhost/reports/7")
    assert "the mesh decides this rule itself" in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [["--url", "/x"], ["--url", "http://[::1/"], ["--url", "http://h/", "-H", "no colon"]],
)
def test_explain_wants_a_url_and_headers_with_a_colon(rule, arguments):
    assert run("explain", rule, *arguments).exit_code == 2


def test_explain_ends_with_1_where_a_rule_has_mistakes(rule):
    rule.write_text(BAD)
    result = run("explain", rule, "--url", "http://shop.example.com/x")
    assert result.exit_code == 1
    assert "HOST_UNKNOWN" in result.stdout
    assert "spec.rules[0].noAuth" in result.stderr


def test_render_and_explain_wait_for_a_pipe():
    """As of `authz migrate convert … | authz render /dev/stdin`, and of <(…) in a shell."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as pipe:
        pipe.write(RULE)
    result = run("explain", f"/dev/fd/{reading}", "--url", "http://shop.example.com/public/x")
    os.close(reading)
    assert "allowed: PUBLIC" in result.stdout


def test_explain_never_prints_a_token(rule):
    result = run("explain", rule, "--url", "http://shop.example.com/x", "-H", "Authorization: Bearer s3cret")
    assert "s3cret" not in result.output


@pytest.fixture
def people(tmp_path, rule):
    """A configuration whose issuer and oauth2-proxy are not there."""
    rule.write_text(RULE.replace("foreign", "people"))
    (tmp_path / "secret").write_text("s")
    settings = tmp_path / "authz.yaml"
    settings.write_text(f"""
authorizers:
- name: people
  accept:
  - introspection:
      {{issuer: 'http://127.0.0.1:1', clientId: c, clientSecretFile: {tmp_path / "secret"}}}
  - session: {{oauth2Proxy: 'http://127.0.0.1:1', cookieName: s}}
""")
    return settings


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("sec-fetch-mode: navigate", ["302: SIGN_IN", "location: /oauth2/start?rd=%2Forders%3Fa%3Db"]),
        ("accept: application/json", ["401: SESSION_MISSING"]),
        ("authorization: Bearer s3cret", ["503: SOURCE_UNAVAILABLE", "GET http://127.0.0.1:1/.well-known"]),
        ("cookie: s=s3cret", ["503: SOURCE_UNAVAILABLE", "GET http://127.0.0.1:1/oauth2/auth"]),
        ("cookie: s=s3cret; s=s3cret", ["400: CREDENTIAL_AMBIGUOUS"]),
    ],
)
def test_explain_knows_opaque_tokens_and_sessions_and_prints_neither(rule, people, header, expected):
    url = "http://shop.example.com/orders?a=b"
    result = run("explain", rule, "--config", people, "--url", url, "-H", header)
    for text in [*expected, "[people: introspection or session]"]:
        assert text in result.stdout
    assert "s3cret" not in result.output


def test_config_check_reads_the_rules_too(tmp_path, rule):
    settings = tmp_path / "authz.yaml"
    settings.write_text("policy: {files: [rule.yaml]}")
    assert run("config", "check", settings).exit_code == 0
    rule.write_text(BAD)
    result = run("config", "check", settings)
    assert result.exit_code == 1
    assert "spec.rules[0].noAuth" in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lisen: {}", "authz.yaml: lisen: unknown setting, did you mean listen?"),
        ("listen: {", "authz.yaml: line 2, column 1: "),
        ("policy: {files: [nowhere]}", "nowhere does not exist"),
        ("transport: h2\nlisten: {tls: {certFile: /gone, keyFile: /gone}}", "listen.tls: /gone with /gone: "),
    ],
)
def test_config_check_reports_mistakes(tmp_path, text, expected):
    settings = tmp_path / "authz.yaml"
    settings.write_text(text)
    result = run("config", "check", settings)
    assert result.exit_code == 1
    assert expected in result.stderr


def test_config_check_reports_everything_at_once(tmp_path, rule):
    settings = tmp_path / "authz.yaml"
    settings.write_text("policy: {files: [rule.yaml, nowhere]}")
    rule.write_text(BAD)
    result = run("config", "check", settings)
    assert "nowhere does not exist" in result.stderr
    assert "spec.rules[0].noAuth" in result.stderr


@pytest.mark.parametrize("offset", [-1, 60_000])
def test_a_port_offset_leaves_ports_that_exist(offset):
    assert run("up", "--port-offset", offset).exit_code == 2


def test_without_a_laptop_there_is_no_token():
    result = run("token", "--port-offset", 20_000)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "start `authz up` first" in result.stderr


def test_the_samples_render_as_envoy_configuration():
    result = run("render", SAMPLES, "--target", "envoy")
    assert (result.exit_code, result.stderr) == (0, "")
    gateway, sidecar = yaml.safe_load_all(result.stdout)
    assert gateway["static_resources"]["listeners"]
    assert sidecar["static_resources"]["listeners"]


def test_what_the_local_envoys_can_not_do_is_said_by_name(tmp_path):
    mesh = (SAMPLES / "cluster.yaml").read_text().replace("    extensionProviders:\n", FOREIGN)
    (tmp_path / "cluster.yaml").write_text(mesh)
    text = (SAMPLES / "account.yaml").read_text().replace("[dev]", "[foreign]")
    (tmp_path / "account.yaml").write_text(text)
    result = run("render", tmp_path, "--target", "envoy")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "no provider 'foreign'" in result.stderr


FOREIGN = """    extensionProviders:
      - name: foreign
        envoyExtAuthzGrpc: {service: a.b.svc.cluster.local, port: 1}
"""


def test_config_example_prints_the_example():
    assert run("config", "example").stdout == example.render()


def test_whoever_forgot_the_configuration_is_told_where_it_is(rule):
    found = run("explain", rule, "--url", "https://shop.example.com/")
    assert "AUTHORIZER_ELSEWHERE" in found.stdout
    assert "No authorizer is known: give the configuration too, by --config" in found.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "said"), [("/dev/full", "[Errno 28] No space left on device\n"), ("a pipe nobody reads", "")]
)
def test_what_can_not_be_printed_is_told_in_a_line(where, said):
    command = [sys.executable, "-m", "authz", "config", "example"]
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe, Path("/dev/full").open("w") as full:
        there = full if where == "/dev/full" else pipe
        done = subprocess.run(command, stdout=there, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, said)


def test_files_without_an_apirule_are_a_problem(tmp_path):
    (tmp_path / "values.yaml").write_text("config: {}\n")
    for words in (["explain", "--url", "https://shop.example.com/"], ["render"]):
        found = run(*words, tmp_path)
        assert (found.exit_code, found.stderr) == (1, "FILES hold no APIRule that can be read\n")


def test_an_answer_that_is_no_text_tells_nothing(tmp_path):
    (tmp_path / "answer").write_bytes(b"\xff\xfe")
    found = run("explain", "--answer", tmp_path / "answer")
    assert (found.exit_code, found.stdout) == (1, "")
    assert found.stderr.startswith("the answer does not tell its request")
