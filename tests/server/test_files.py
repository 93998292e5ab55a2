"""Files in, policy out."""

import os
from pathlib import Path

import pytest
import yaml

from authz.config import Config
from authz.istio.cluster import Settings
from authz.server import files, ruleset
from authz.server.ruleset import Loaded

CONFIG = """
authorizers:
- name: keycloak
  accept: [{jwt: {issuer: https://idp.example.com, audiences: [shop]}}]
  identityHeaders: {x-user: sub}
"""


def apirule(name: str = "shop", host: str = "shop.example.com", **rule: object) -> dict[str, object]:
    access = rule or {"noAuth": True}
    return {
        "apiVersion": "gateway.kyma-project.io/v2",
        "kind": "APIRule",
        "metadata": {"name": name, "namespace": "apps"},
        "spec": {
            "hosts": [host],
            "gateway": "istio-system/gateway",
            "service": {"name": "shop", "port": 80},
            "rules": [{"path": "/*", "methods": ["GET"], **access}],
        },
    }


def config_map(text: str = CONFIG) -> dict[str, object]:
    metadata = {"name": "authz", "namespace": "authz-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"authz.yaml": text}}


def write(path: Path, *documents: object) -> Path:
    path.write_text(yaml.safe_dump_all(documents))
    return path


def load(folder: Path, last: Loaded | None = None) -> Loaded:
    return ruleset.load(files.read([folder]), last=last)


def test_rules_and_configuration_are_found_in_a_folder(tmp_path):
    write(tmp_path / "a.yaml", apirule(extAuth={"authorizers": ["keycloak"]}))
    write(tmp_path / "b.yml", config_map(), None)
    write(tmp_path / "notes.txt", "not read")
    write(tmp_path / ".hidden.yaml", apirule("hidden", "hidden.example.com"))
    loaded = load(tmp_path)
    assert loaded.problems == ()
    (rule,) = loaded.policy.hosts["shop.example.com"].rules
    assert rule.checks[0].authorizer.identity_headers == {"x-user": "sub"}
    assert "x-user" in loaded.policy.identity_headers
    assert list(loaded.policy.hosts) == ["shop.example.com"]


def test_every_mistake_names_its_file_and_path(tmp_path):
    bad = apirule(noAuth="maybe")
    write(tmp_path / "a.yaml", bad, [1])
    (tmp_path / "b.yaml").write_text("a: [\n")
    write(tmp_path / "c.yaml", config_map("foo: 1"))
    (tmp_path / "d.yaml").write_bytes(b"\xff\xfe\xfd")
    problems = [problem.removeprefix(f"{tmp_path}/") for problem in load(tmp_path).problems]
    assert [problem.partition(": ")[0] for problem in problems] == [
        "a.yaml",
        "b.yaml",
        "d.yaml",
        "c.yaml",
        "a.yaml",
    ]
    assert "c.yaml: data[authz.yaml]: foo: unknown setting" in problems
    assert "a.yaml: a mapping is expected, not a list" in problems
    assert any(problem.startswith("a.yaml: spec.rules[0].noAuth: ") for problem in problems)
    assert any(problem.startswith("b.yaml: line 2, column 1: ") for problem in problems)


def test_one_bad_rule_does_not_take_the_others_with_it(tmp_path):
    write(tmp_path / "a.yaml", apirule("bad", "bad.example.com", noAuth="maybe"))
    write(tmp_path / "b.yaml", apirule("good", "good.example.com"))
    assert list(load(tmp_path).policy.hosts) == ["good.example.com"]


@pytest.mark.parametrize("text", ["kind: APIRule\nmetadata: {name: shop, namespace: apps}", "a: [\n"])
def test_a_rule_that_has_become_bad_keeps_its_last_good_version(tmp_path, text):
    write(tmp_path / "a.yaml", apirule())
    good = load(tmp_path)
    (tmp_path / "a.yaml").write_text(text)
    after = load(tmp_path, good)
    assert after.policy.hosts == good.policy.hosts
    assert len(after.problems) >= 1
    assert load(tmp_path, after).policy.hosts == good.policy.hosts, "and still does at the next look"


def test_a_rule_that_was_removed_is_gone(tmp_path):
    write(tmp_path / "a.yaml", apirule())
    good = load(tmp_path)
    (tmp_path / "a.yaml").unlink()
    assert load(tmp_path, good).policy.hosts == {}


def test_two_rules_for_one_host_are_reported_and_one_has_it(tmp_path):
    write(tmp_path / "a.yaml", apirule("one"), apirule("two"))
    loaded = load(tmp_path)
    assert [rule.name for rule in loaded.policy.hosts["shop.example.com"].rules] == ["apps/one/0"]
    assert [problem for problem in loaded.problems if "occupied by APIRule apps/one" in problem]


def test_the_mesh_is_as_the_settings_say():
    said = {
        "provider": "p",
        "gatewaySelector": {"a": "b"},
        "gatewayPrincipal": "td/ns/n/sa/s",
        "foreignServices": "Refuse",
    }
    assert ruleset.mesh_of(Config.model_validate({"istio": said})) == Settings(
        provider="p", gateway_selector={"a": "b"}, gateway_principal="td/ns/n/sa/s", foreign_services="Refuse"
    )


def test_a_second_document_of_one_name_is_reported_and_not_taken(tmp_path):
    write(tmp_path / "a.yaml", apirule(extAuth={"authorizers": ["nobody"]}))
    write(tmp_path / "b.yaml", apirule(host="other.example.com"), apirule("third", "third.example.com"))
    loaded = load(tmp_path)
    (problem,) = loaded.problems
    assert problem == f"{tmp_path}/b.yaml: metadata: apps/shop stands in {tmp_path}/a.yaml too"
    assert list(loaded.policy.hosts) == ["shop.example.com", "third.example.com"]
    assert loaded.policy.hosts["shop.example.com"].rules[0].checks


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x]\nkind: *a",
        "a: 2024-99-99",
        "[" * 3_000,
        "kind: [APIRule]",
        "kind: APIRule\nmetadata: {name: [a]}",
    ],
)
def test_no_document_takes_the_others_with_it(tmp_path, text):
    (tmp_path / "a.yaml").write_text(text)
    write(tmp_path / "b.yaml", apirule())
    assert list(load(tmp_path).policy.hosts) == ["shop.example.com"]


def test_who_serves_a_host_goes_on_serving_it(tmp_path):
    write(tmp_path / "shop.yaml", apirule("shop", extAuth={"authorizers": ["nobody"]}))
    good = load(tmp_path)
    intruder = apirule("aaa")
    intruder["metadata"] = {"name": "aaa", "namespace": "aaa", "creationTimestamp": "2001-01-01T00:00:00Z"}
    write(tmp_path / "aaa.yaml", intruder)
    after = load(tmp_path, good)
    assert after.policy.hosts == good.policy.hosts
    assert f"{tmp_path}/aaa.yaml: spec.hosts: Host shop.example.com is served by apps/shop" in after.problems
    (tmp_path / "shop.yaml").unlink()
    assert load(tmp_path, after).policy.hosts["shop.example.com"].rules[0].name == "aaa/aaa/0"


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    write(tmp_path / "b.yaml", apirule())
    loaded = load(tmp_path)
    assert loaded.problems == (f"{tmp_path}/a.yaml: can not be read: it is not a regular file",)
    assert list(loaded.policy.hosts) == ["shop.example.com"]


def test_a_folder_that_has_gone_keeps_its_last_good_rules(tmp_path):
    (tmp_path / "rules").mkdir()
    write(tmp_path / "rules" / "a.yaml", apirule())
    good = load(tmp_path / "rules")
    (tmp_path / "rules").rename(tmp_path / "elsewhere")
    after = load(tmp_path / "rules", good)
    assert after.policy.hosts == good.policy.hosts
    assert "rules: can not be read: " in after.problems[0]


@pytest.mark.parametrize("kind", ["ApiRule", "APIRules", None])
def test_a_kind_that_is_misspelt_is_reported(tmp_path, kind):
    write(tmp_path / "a.yaml", apirule() | {"kind": kind})
    (problem,) = load(tmp_path).problems
    assert problem == f"{tmp_path}/a.yaml: kind: {kind or 'it'} is not known, did you mean APIRule?"


def test_the_innocent_is_not_blamed_for_a_host_that_another_claims(tmp_path):
    write(tmp_path / "shop.yaml", apirule("shop"))
    good = load(tmp_path)
    write(tmp_path / "aaa.yaml", apirule("aaa"))
    assert all("aaa.yaml" in problem for problem in load(tmp_path, good).problems)


def test_a_short_host_without_its_gateway_is_reported(tmp_path):
    write(tmp_path / "a.yaml", apirule(host="shop"))
    loaded = load(tmp_path)
    assert loaded.policy.hosts == {}
    assert "needs its Gateway istio-system/gateway among the files" in loaded.problems[0]


def test_a_broken_mesh_is_reported(tmp_path):
    mesh = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "istio-system"},
        "data": {"mesh": "a: ["},
    }
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "shop", "namespace": "apps"}}
    gateway = {"apiVersion": "networking.istio.io/v1", "kind": "Gateway", "metadata": [], "spec": 1}
    write(tmp_path / "a.yaml", apirule(), mesh, gateway, service)
    loaded = load(tmp_path)
    assert [problem.partition(": ")[0] for problem in loaded.problems] == [
        "Gateway default/?",
        "Gateway default/?",
        "ConfigMap istio-system/istio",
    ]
    assert list(loaded.policy.hosts) == ["shop.example.com"]
    assert list(loaded.cluster.services) == ["apps/shop"], "and what is whole is known"


def test_what_stands_in_the_way_of_translation_names_its_file(tmp_path):
    write(tmp_path / "a.yaml", apirule())
    resources, problems = ruleset.translate(load(tmp_path))
    assert resources == []
    assert f"{tmp_path}/a.yaml: spec.service: Service apps/shop not found" in problems


def test_a_rule_becomes_its_resources(tmp_path):
    meta = {"name": "gateway", "namespace": "istio-system"}
    gateway = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": meta,
        "spec": {"servers": [{"port": {"number": 80}, "hosts": ["*.example.com"]}]},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "shop", "namespace": "apps"},
        "spec": {"selector": {"app": "shop"}},
    }
    write(tmp_path / "a.yaml", apirule(), gateway, service)
    resources, problems = ruleset.translate(load(tmp_path))
    assert problems == []
    assert [resource["kind"] for resource in resources] == ["AuthorizationPolicy", "VirtualService"]
