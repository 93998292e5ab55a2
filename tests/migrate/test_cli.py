"""`authz migrate convert`, as it is typed."""

import json

import pytest
import yaml
from click.testing import CliRunner, Result

from authz.cli import main
from tests.migrate.worlds import GLOB, REALISTIC, SHAPES


def run(*arguments: object, given: str | None = None) -> Result:
    return CliRunner().invoke(
        main, ["migrate", "convert", *map(str, arguments)], prog_name="authz", input=given
    )


@pytest.mark.parametrize("arguments", [["migrate", "--help"], ["migrate", "convert", "--help"]])
def test_the_verb_teaches_itself(arguments):
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0
    assert "convert" in result.stdout
    assert "\\b" not in result.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        [SHAPES, "--issuer", "no sign"],
        [SHAPES, "--accept", "widened:everything"],
        [SHAPES, "--host", "=x"],
        [SHAPES, "--gateway", "gateway"],
    ],
)
def test_wrong_usage_exits_2(arguments):
    assert run(*arguments).exit_code == 2


def test_without_a_folder_it_prints_what_render_reads():
    result = run(REALISTIC, "--offline")
    assert result.exit_code == 1  # five rules wait
    assert {body["kind"] for body in yaml.safe_load_all(result.stdout)} == {"APIRule", "ConfigMap"}
    assert "139 converted without a hand (96.5 %)" in result.stderr
    assert "--issuer http://ory-hydra-admin" in result.stderr


def test_a_folder_gets_everything(tmp_path):
    hydra = (
        "http://ory-hydra-admin.kyma-system.svc.cluster.local:4445/oauth2/introspect=https://o.example.com/"
    )
    result = run(REALISTIC, "--out", tmp_path / "new", "--offline", "--issuer", hydra)
    assert (result.exit_code, result.stdout) == (0, "")
    assert {file.name for file in (tmp_path / "new").iterdir()} == {
        "apirules.yaml",
        "authz.yaml",
        "report.md",
        "report.json",
    }
    report = (tmp_path / "new" / "report.md").read_text()
    assert "144 converted without a hand (100.0 %)" in report
    assert "/etc/authz/secrets/authz-at-o-example-com" in report
    assert json.loads((tmp_path / "new" / "report.json").read_text())["open"] == []


def test_reports_go_where_they_are_wanted(tmp_path):
    result = run(SHAPES, "--offline", "--report", tmp_path / "r.md", "--json", tmp_path / "r.json")
    assert "## Needs a decision" in (tmp_path / "r.md").read_text()
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["waiting"] > 0
    assert "Answer" not in result.stderr


def test_a_token_that_is_no_text_is_a_problem(tmp_path):
    (tmp_path / "token").write_bytes(b"\xff\xfe")
    result = run(REALISTIC, "--token", tmp_path / "token")
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path / 'token'}: can not be read: " in result.stderr


def test_what_is_no_configuration_of_oathkeeper_is_not_taken_for_one(tmp_path):
    (tmp_path / "map.yaml").write_text("{apiVersion: v1, kind: ConfigMap, data: {config.yaml: 'errors: {}'}}")
    result = run(SHAPES, "--offline", "--oathkeeper-config", tmp_path / "map.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "it is no config.yaml of Oathkeeper; of a ConfigMap, take the text in it" in result.stderr


def test_a_report_that_can_not_be_written_is_a_problem(tmp_path):
    result = run(SHAPES, "--offline", "--report", tmp_path / "nowhere" / "r.md")
    assert result.exit_code == 1
    assert f"No such file or directory: '{tmp_path}/nowhere/r.md'" in result.stderr


def test_standard_input_is_read():
    rules = [
        {
            "id": "a",
            "match": {"url": "<http|https>://a.example.com/<.*>", "methods": ["GET"]},
            "authenticators": [{"handler": "noop"}],
            "authorizer": {"handler": "allow"},
            "mutators": [{"handler": "noop"}],
            "upstream": {"url": "http://a.web:80"},
        }
    ]
    result = run("-", "--gateway", "istio-system/gateway", given=json.dumps(rules))
    assert result.exit_code == 0
    (apirule,) = yaml.safe_load_all(result.stdout)
    assert apirule["metadata"] == {"name": "a", "namespace": "web"}
    assert apirule["spec"]["gateway"] == "istio-system/gateway"


def test_oathkeepers_configuration_says_what_rules_leave_out():
    rules, config = GLOB / "rules.json", GLOB / "config.yaml"
    without = run(rules, "--offline", "--gateway", "a/b")
    with_it = run(rules, "--offline", "--gateway", "a/b", "--oathkeeper-config", config)
    assert "Where are the keys of these tokens?" in without.stderr
    assert "Where are the keys of these tokens?" not in with_it.stderr


def test_what_can_not_be_read_is_told_and_stops_nothing(tmp_path):
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "worse.json").write_text('{"a": ')
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "good.yml").write_text((SHAPES / "fields.yaml").read_text())
    result = run(tmp_path, "--offline")
    assert result.exit_code == 1
    assert f"{tmp_path}/bad.yaml: can not be read: line 2" in result.stderr
    assert f"{tmp_path}/worse.json: can not be read" in result.stderr
    assert "APIRule" in result.stdout


def test_a_file_that_is_not_there_is_a_problem():
    assert "/not/there: can not be read: there is no such file or folder" in run("/not/there").stderr


def test_what_an_earlier_conversion_wrote_is_left_alone(tmp_path):
    """It has authorizers too, and is no configuration of Oathkeeper's."""
    run(SHAPES, "--offline", "--out", tmp_path / "new")
    once, again = run(SHAPES, "--offline"), run(SHAPES, tmp_path / "new", "--offline")
    assert (tmp_path / "new" / "clients.json").exists()
    assert again.stderr == once.stderr


def test_without_a_cluster_there_is_a_problem():
    arguments = ["migrate", "convert", "--cluster"]
    result = CliRunner(env={"KUBECONFIG": None}).invoke(main, arguments)
    assert "the cluster: there is no kubeconfig" in result.stderr
    result = CliRunner(env={"KUBECONFIG": "/not/there"}).invoke(main, arguments)
    assert "the cluster, as KUBECONFIG has it: /not/there: can not be used" in result.stderr


def test_an_old_configuration_of_two_documents_is_refused(tmp_path):
    (tmp_path / "c.yaml").write_text("a: b\n---\nc: d\n")
    result = run(SHAPES, "--oathkeeper-config", tmp_path / "c.yaml")
    assert (result.exit_code, result.stderr) == (1, f"{tmp_path}/c.yaml: one document is expected\n")


def test_many_rules_show_that_something_happens(tmp_path):
    rule = {
        "match": {"url": "<http|https>://a.example.com/<.*>", "methods": ["GET"]},
        "authenticators": [{"handler": "noop"}],
        "upstream": {"url": "http://a.web:80"},
    }
    (tmp_path / "many.json").write_text(json.dumps([{"id": str(number)} | rule for number in range(1_001)]))
    assert "500 of 1,001 objects\n1,000 of 1,001 objects\n1,001 of 1,001 objects\n" in run(tmp_path).stderr
