"""Old objects, read from a real API server."""

import json

import pytest

from authz.controller import kubeconfig
from authz.controller.api import Refused
from authz.migrate.old import in_cluster, reading
from authz.migrate.old.kinds import ANNOTATION
from authz.migrate.stages import cluster
from authz.migrate.stages.saved import KEPT

pytestmark = pytest.mark.slow

OLD = {
    "gateway": "kyma-system/kyma-gateway",
    "host": "old.example.com",
    "service": {"name": "old", "port": 80},
    "rules": [{"path": "/.*", "methods": ["GET"], "accessStrategies": [{"handler": "noop"}]}],
}
NEW = {
    "hosts": ["old.example.com"],
    "gateway": "kyma-system/kyma-gateway",
    "service": {"name": "old", "port": 80},
    "rules": [{"path": "/*", "methods": ["GET"], "noAuth": True}],
}
MANY = 203  # more than a page


def rules() -> dict[str, object]:
    """Oathkeeper's definition, as far as a list needs it."""
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    version = {"name": "v1alpha1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "rules", "singular": "rule", "kind": "Rule", "listKind": "RuleList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "rules.oathkeeper.ory.sh"},
        "spec": {"group": "oathkeeper.ory.sh", "scope": "Namespaced", "names": names, "versions": [version]},
    }


async def test_all_that_is_old_in_a_cluster_is_found_page_by_page(kube):
    kube.install([rules()])
    kube.namespace("migrate")
    kube.apply(
        {
            "apiVersion": "gateway.kyma-project.io/v2",
            "kind": "APIRule",
            "metadata": {
                "name": "old",
                "namespace": "migrate",
                "annotations": {ANNOTATION: json.dumps(OLD)},
            },
            "spec": NEW,
        }
    )
    for number in range(MANY):
        spec = {
            "match": {"url": f"https://h{number}.example.com/<.*>", "methods": ["GET"]},
            "authenticators": [{"handler": "noop"}],
            "upstream": {"url": "http://old:80"},
        }
        metadata = {"name": f"rule-{number}", "namespace": "migrate"}
        kind = {"apiVersion": "oathkeeper.ory.sh/v1alpha1", "kind": "Rule"}
        kube.apply(kind | {"metadata": metadata, "spec": spec})
    found, problems = await in_cluster.read(kube.kubeconfig)
    world = reading.read(found)
    assert (problems, world.problems) == ([], ())
    assert [one.origin.kind for one in world.objects].count("Rule") == MANY
    assert "migrate/old" in [one.origin.key for one in world.objects]


async def test_what_has_changed_since_it_was_read_is_not_deleted(kube):
    kube.namespace("deleting")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "deleting"}}
    async with cluster.entered(kubeconfig.read(kube.kubeconfig)) as api:
        first = await api.create(KEPT, secret)
        second = await api.replace(KEPT, first | {"stringData": {"a": "b"}})
        with pytest.raises(Refused, match="409"):
            await api.delete(KEPT, "deleting/a", first["metadata"]["resourceVersion"])
        await api.delete(KEPT, "deleting/a", second["metadata"]["resourceVersion"])
        with pytest.raises(Refused, match="404"):
            await api.get(KEPT, "deleting/a")


async def test_a_cluster_that_does_not_answer_is_a_problem(tmp_path):
    config = tmp_path / "kubeconfig"
    config.write_text(
        "{current-context: c, contexts: [{name: c, context: {cluster: k}}], "
        "clusters: [{name: k, cluster: {server: 'http://127.0.0.1:1'}}]}"
    )
    found, problems = await in_cluster.read(config)
    assert found == []
    assert [problem.partition(": get")[0] for problem in problems] == ["the cluster: can not be read"]
