"""What follows from the files: the mesh, what its Envoys are told, and the authorizer's settings."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from authz import config
from authz.local import plan, site
from authz.local.failure import CannotRun
from authz.local.ports import Ports
from authz.local.up import SAMPLES
from authz.server.files import Document, Read
from authz.server.ruleset import CONFIG_KEY

SHOP, REPORTS = ("shop.default.svc.cluster.local", 80), ("reports.default.svc.cluster.local", 80)


@pytest.fixture(scope="module")
def samples():
    return plan.read([SAMPLES])


def test_every_service_that_a_route_leads_to_is_a_workload(samples):
    assert [host.partition(".")[0] for host, _ in samples.backends] == [
        *("account", "dashboard", "reports", "shop"),
    ]


def test_a_workload_keeps_its_place_when_others_come_and_go():
    before = site.numbered([SHOP], {})
    assert site.numbered([REPORTS, SHOP], before) == {SHOP: 0, REPORTS: 1}
    assert site.numbered([REPORTS], {SHOP: 0, REPORTS: 1})[REPORTS] == 1


def test_the_mesh_has_the_labels_and_ports_of_its_workloads(samples):
    places = site.numbered(samples.backends, {})
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
    given = samples.loaded.config
    assert (settings.authorizers, settings.sources) == (given.authorizers, given.sources)
    assert settings.sources.refresh_cooldown == 1.0
    assert {each["kind"] for each in yaml.safe_load_all(files[plan.RULES_FILE])} >= {"APIRule", "Service"}


@pytest.mark.parametrize("setting", ["timeout: 250ms", "ttl: 90m", "stale: 36h", "refreshCooldown: 1.5s"])
def test_durations_reach_the_authorizer(setting):
    document = {"kind": "ConfigMap", "data": {CONFIG_KEY: f"sources: {{{setting}}}"}}
    made = plan.make(Read((Document("f", document),)))
    written = config.parse(plan.authorizer_files(made, Ports())[CONFIG_KEY])
    assert written.sources == made.loaded.config.sources != config.Config().sources


def test_the_gateway_is_where_its_principal_says():
    principal = "cluster.local/ns/edge/sa/front"
    document = {"kind": "ConfigMap", "data": {CONFIG_KEY: f"istio: {{gatewayPrincipal: {principal}}}"}}
    made = plan.make(Read((Document("f", document),)))
    mesh = plan.mesh(made, Ports(), Path("certs"), {}, {})
    assert (mesh.gateway.namespace, mesh.gateway_identity.principal) == ("edge", principal)


def test_what_the_envoys_can_not_do_is_said_in_words(samples):
    audit = {**samples.resources[0], "kind": "AuthorizationPolicy", "spec": {"action": "AUDIT"}}
    changed = replace(samples, resources=(audit,))
    places = site.numbered(samples.backends, {})
    with pytest.raises(CannotRun, match=r"AuthorizationPolicy default/.*: spec.action: "):
        plan.compiled(changed, Ports(), Path("certs"), places, {})


def test_an_offset_moves_the_identity_provider_everywhere():
    moved = plan.read([SAMPLES], 10)
    assert moved.jwks_uris == ["http://127.0.0.1:9410/jwks"]
    (accept,) = moved.loaded.config.authorizers[0].accept
    assert accept.jwt
    assert accept.jwt.issuer == "http://127.0.0.1:9410"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec: [", "line 2"),
        ("{kind: APIRule, metadata: {name: x}, spec: {}}", "spec"),
    ],
)
def test_bad_files_are_problems(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(CannotRun, match=message) as caught:
        plan.read([SAMPLES, tmp_path])
    assert all("bad.yaml" in each for each in caught.value.messages)
