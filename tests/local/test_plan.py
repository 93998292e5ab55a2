"""What follows from the files: the mesh, the authorizer's settings, and a command to try for each rule."""

from pathlib import Path

import pytest
import yaml

from authz import config
from authz.local import plan
from authz.local.ports import Ports
from authz.local.problems import Problems
from authz.local.up import SAMPLES
from authz.server.files import CONFIG_KEY

SHOP, REPORTS = ("shop.default.svc.cluster.local", 80), ("reports.default.svc.cluster.local", 80)


@pytest.fixture(scope="module")
def samples():
    return plan.read([SAMPLES])


def test_every_service_that_a_route_leads_to_is_a_workload(samples):
    assert [host.partition(".")[0] for host, _ in samples.backends] == [
        *("account", "dashboard", "reports", "shop"),
    ]


def test_a_workload_keeps_its_place_when_others_come_and_go():
    before = plan.numbered([SHOP], {})
    assert plan.numbered([REPORTS, SHOP], before) == {SHOP: 0, REPORTS: 1}
    assert plan.numbered([REPORTS], {SHOP: 0, REPORTS: 1})[REPORTS] == 1


def test_the_mesh_has_the_labels_and_ports_of_its_workloads(samples):
    places = plan.numbered(samples.backends, {})
    mesh = plan.mesh(samples, Ports(), Path("certs"), places, {})
    dashboard = mesh.workloads[1]
    assert (dashboard.namespace, dashboard.labels, dashboard.port) == (
        *("monitoring", {"app": "dashboard"}, 3000),
    )
    assert (dashboard.listen.port, dashboard.application.port) == (15101, 15201)
    assert mesh.gateway.namespace == "istio-system"
    assert mesh.providers["authz"].address.port == Ports().checks


def test_the_authorizer_listens_where_the_envoys_ask(samples):
    files = plan.authorizer_files(samples, Ports())
    settings = config.parse(files[CONFIG_KEY])
    assert (settings.listen.grpc, settings.listen.admin) == ("127.0.0.1:9191", "127.0.0.1:9192")
    assert settings.policy.files == (plan.RULES_FILE,)
    assert settings.authorizers == samples.loaded.config.authorizers
    assert {each["kind"] for each in yaml.safe_load_all(files[plan.RULES_FILE])} >= {"APIRule", "Service"}


def test_an_offset_moves_the_identity_provider_everywhere():
    moved = plan.read([SAMPLES], 10)
    assert moved.jwks_uris == ["http://127.0.0.1:9410/jwks"]
    assert moved.loaded.config.authorizers[0].accept[0].jwt.issuer == "http://127.0.0.1:9410"


def test_there_is_a_command_to_try_for_each_rule(samples):
    commands = list(plan.suggestions(samples, Ports()))
    assert len(commands) == sum(len(rule.spec.rules) for _, rule in samples.loaded.rules)
    assert "curl -i http://shop.localhost:8080/products/" in commands
    assert (
        "curl -i -X POST http://shop.localhost:8080/orders"
        ' -H "Authorization: Bearer $(authz token --scope orders:write)"'
    ) in commands
    assert (
        "curl -i http://reports.localhost:8080/reports/1"
        ' -H "Authorization: Bearer $(authz token --scope reports:read --audience shop)"'
    ) in commands


def test_a_command_knows_the_offset(samples):
    assert "--port-offset 10" in "".join(plan.suggestions(samples, Ports().moved(10), 10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec: [", "line 1"),
        ("{kind: APIRule, metadata: {name: x}, spec: {}}", "spec"),
    ],
)
def test_bad_files_are_problems(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(Problems, match=message) as caught:
        plan.read([SAMPLES, tmp_path])
    assert all("bad.yaml" in each for each in caught.value.messages)
