"""The real API server on our CustomResourceDefinition: what it takes, refuses, explains and shows."""

import pytest
import yaml

from authz.istio import apirule
from tests.istio.checks import SYNTAX, TOKENS, Refused, good
from tests.kube import server
from tests.kube.samples import KYMA

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["v2", "v2alpha1"])
def test_a_good_apirule_is_stored_as_it_was_written(kube, version):
    written = good() | {"apiVersion": f"gateway.kyma-project.io/{version}"}
    stored = kube.apply(written, dry_run=True)
    assert stored["apiVersion"] == written["apiVersion"]
    assert stored["spec"] == written["spec"]


@pytest.mark.parametrize("case", [*SYNTAX, *TOKENS], ids=str)
def test_a_mistake_is_refused_with_the_words_that_were_agreed_on(kube, case):
    if case.refused is Refused.NOT:
        assert kube.apply(case.document, dry_run=True)
        return
    with pytest.raises(server.Refused) as caught:
        kube.apply(case.document, dry_run=True)
    if case.refused is Refused.CEL:
        assert case.message in str(caught.value)


@pytest.mark.parametrize("name", KYMA)
def test_yaml_in_kymas_shape_is_taken_by_the_api_server_and_by_us(kube, name):
    document = yaml.safe_load(KYMA[name])
    stored = kube.apply(document, dry_run=True)
    assert stored["spec"] == document["spec"]
    assert apirule.parse(document).spec.rules


def test_a_name_that_fits_no_label_is_refused(kube):
    long = good()
    long["metadata"]["name"] = "a" * 64
    with pytest.raises(server.Refused, match="The name must have 63 characters at most"):
        kube.apply(long, dry_run=True)


def test_v2alpha1_is_read_back_as_v2(kube):
    kube.apply(good() | {"apiVersion": "gateway.kyma-project.io/v2alpha1"})
    shown = kube.kubectl("get", "apirule", "shop", "-n", "shop", "-o", "yaml")
    assert yaml.safe_load(shown.stdout)["apiVersion"] == "gateway.kyma-project.io/v2"


STATUS = {
    "state": "Error",
    "description": "spec.gateway: Gateway gateways/main not found",
    "lastProcessedTime": "2026-11-24T06:00:00Z",
    "observedGeneration": 1,
    "conditions": [
        {
            "type": "Accepted",
            "status": "False",
            "observedGeneration": 1,
            "lastTransitionTime": "2026-11-24T06:00:00Z",
            "reason": "Invalid",
            "message": "spec.gateway: Gateway gateways/main not found",
        }
    ],
}


def test_the_status_is_a_part_of_its_own_and_is_shown(kube):
    kube.apply(good())
    path = f"{server.path(good())}/status"
    with kube.client() as client:
        merge = {"content-type": "application/merge-patch+json"}
        written = client.patch(path, json={"status": STATUS}, headers=merge)
        assert written.json()["status"] == STATUS
        invalid = client.patch(path, json={"status": {"state": "Fine"}}, headers=merge)
        assert invalid.status_code == 422
    shown = kube.kubectl("get", "apirule", "-n", "shop").stdout.splitlines()
    assert shown[0].split() == ["NAME", "STATUS", "HOSTS", "AGE"]
    assert shown[1].split()[:3] == ["shop", "Error", '["shop.example.com"]']
    wide = kube.kubectl("get", "ar", "-n", "shop", "-o", "wide").stdout.splitlines()
    assert wide[0].split() == ["NAME", "STATUS", "HOSTS", "GATEWAY", "DESCRIPTION", "AGE"]
    assert "spec.gateway: Gateway gateways/main not found" in wide[1]


EXPLAINED = [
    ("apirule", "VirtualService, RequestAuthentications and AuthorizationPolicies"),
    ("apirule.spec", "Hosts, and their rules in order of precedence"),
    ("apirule.spec.rules", "The first rule that names a request's method and path decides"),
    ("apirule.spec.rules.path", "`{*}` stands for one segment"),
    ("apirule.spec.rules.jwt.authorizations", "Any one of these suffices"),
    ("apirule.spec.rules.extAuth", "Names of authorizers in the configuration"),
    ("apirule.spec.enforcement", "ENUM: Workload Gateway"),
    ("apirule.status.conditions.type", "Accepted: the APIRule is valid"),
]


@pytest.mark.parametrize(("path", "words"), EXPLAINED)
def test_kubectl_explains(kube, path, words):
    assert words in " ".join(kube.kubectl("explain", path).stdout.split())


def test_kubectl_lists_them_by_short_name_and_category(kube):
    kube.apply(good())
    for name in ("ar", "apirules", "kyma-api-gateway"):
        assert "shop" in kube.kubectl("get", name, "-A").stdout


def test_the_definition_can_be_applied_twice(kube):
    before = kube.apply(server.custom_resources()[0])
    after = kube.apply(server.custom_resources()[0])
    assert before["metadata"]["generation"] == after["metadata"]["generation"]
