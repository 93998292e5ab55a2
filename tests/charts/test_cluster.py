"""The chart on a real API server with Istio's CRDs: installed, upgraded, rolled back, and taken away."""

import base64
import subprocess
import sys

import pytest
import yaml

from authz.istio import registration
from tests.charts import helm
from tests.charts.helm import CHART, COMBINATIONS, LOGIN, NAMESPACE, RELEASE, Refused
from tests.kube import server as kube_server
from tests.kube.server import path

pytestmark = pytest.mark.slow

MESH: helm.Document = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
}


# The others differ in arguments alone.
DIFFERENT = [
    "no sidecars",
    "only the authorizer, rules in files",
    "dashboards",
    "everything",
    "a Redis that is there",
]


@pytest.fixture
def release(kube):
    """Takes a verb of Helm for the release, and is gone afterwards."""

    def release(verb, *arguments, values=None):
        where = [] if verb in ("rollback", "uninstall") else [CHART]
        options = ["--namespace", NAMESPACE, *map(str, arguments)]
        return helm.run(verb, RELEASE, *where, *options, values=values, kubeconfig=kube.kubeconfig)

    yield release
    release("uninstall", "--ignore-not-found")


@pytest.fixture
def asked(kube):
    """Notes of an installation that looks at the cluster and leaves it as it is."""

    def asked(values=None):
        options = ["--namespace", NAMESPACE, "--dry-run=server"]
        return helm.run("install", RELEASE, CHART, *options, values=values, kubeconfig=kube.kubeconfig)

    return asked


def test_combinations_are_taken_one_after_the_other(kube, release):
    """Each an upgrade of the last: what a change of values takes away or adds is taken too."""
    release("install")
    for name in DIFFERENT:
        release("upgrade", values=COMBINATIONS[name])
    with kube.client() as client:
        for document in helm.rendered(COMBINATIONS[DIFFERENT[-1]]):
            assert client.get(path(document)).status_code == 200, document["metadata"]["name"]
        for gone in helm.rendered(COMBINATIONS["everything"]):
            if gone["kind"] in ("EnvoyFilter", "ServiceMonitor", "HorizontalPodAutoscaler"):
                assert client.get(path(gone)).status_code == 404


def test_every_pod_meets_the_restricted_standard(kube, all_rendered):
    """Kubernetes' own admission judges it: Pod Security, enforced by a namespace's label."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": "restricted", "labels": labels}
    kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    pods = {
        (document["metadata"]["name"], yaml.safe_dump(document["spec"]["template"]))
        for documents in all_rendered.values()
        for document in documents
        if document["kind"] == "Deployment"
    }
    for name, template in pods:
        pod = {"apiVersion": "v1", "kind": "Pod"} | yaml.safe_load(template)
        pod["metadata"] |= {"name": name, "namespace": "restricted"}
        kube.apply(pod, dry_run=True)
    pod["spec"]["containers"][0]["securityContext"]["capabilities"] = {}
    with pytest.raises(kube_server.Refused, match="violates PodSecurity"):
        kube.apply(pod, dry_run=True)


def secrets(kube):
    with kube.client() as client:
        found = client.get(f"/api/v1/namespaces/{NAMESPACE}/secrets").json()["items"]
    return {each["metadata"]["name"]: each["data"] for each in found if each["type"] == "Opaque"}


def test_whoever_is_signed_in_stays_so_across_upgrades_and_a_rollback(kube, release):
    values = {"oauth2Proxy": LOGIN | {"redis": {"enabled": True}}}
    release("install", values=values)
    made = secrets(kube)
    assert made.keys() == {"authz-oauth2-proxy", "authz-redis"}
    assert len(base64.b64decode(made["authz-oauth2-proxy"]["cookie-secret"])) == 32
    release("upgrade", values=values | {"authorizer": {"replicas": 3}})
    assert secrets(kube) == made
    release("rollback", "1")
    assert secrets(kube) == made
    with kube.client() as client:
        found = client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/authz").json()
    assert found["spec"]["replicas"] == 2


def test_a_rollback_leaves_a_paused_controller_for_later(kube, release):
    """docs/install.md has the authorizer go first that way."""
    where = ["deployment/authz-controller", "--namespace", NAMESPACE]
    release("install")
    release("upgrade", values={"config": {"workers": 2}})
    assert kube.kubectl("rollout", "pause", *where).returncode == 0
    release("rollback")
    with kube.client() as client:
        found = client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/authz-controller").json()
    assert found["spec"]["paused"]
    assert kube.kubectl("rollout", "resume", *where).returncode == 0


def test_autoscaling_begins_with_the_replicas_that_there_are(kube, release):
    """A Deployment that says nothing any more has one: those of today would go, under today's load."""

    def replicas():
        with kube.client() as client:
            found = client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/authz").json()
        return found["spec"]["replicas"]

    scaled = {"authorizer": {"replicas": 5, "autoscaling": {"enabled": True}}}
    release("install", values={"authorizer": {"replicas": 5}})
    release("upgrade", values=scaled)
    assert replicas() == 5
    where = ["deployment/authz", "--namespace", NAMESPACE, "--replicas=7"]
    assert kube.kubectl("scale", *where).returncode == 0
    release("upgrade", values=scaled | {"config": {"workers": 2}})
    assert replicas() == 7, "the autoscaler's"


def test_two_releases_make_two_secrets(kube, release):
    release("install", values={"oauth2Proxy": LOGIN})
    first = secrets(kube)["authz-oauth2-proxy"]
    release("uninstall")
    release("install", values={"oauth2Proxy": LOGIN})
    assert secrets(kube)["authz-oauth2-proxy"] != first


def entry(notes):
    """What NOTES print for MeshConfig."""
    lines = notes[notes.index("  extensionProviders:") :].split("\n\n")[0]
    return yaml.safe_load(lines)


def mesh(kube, *providers):
    kube.apply(MESH | {"data": {"mesh": yaml.safe_dump({"extensionProviders": list(providers)})}})


def changed(**changes):
    made = registration.entry(registration.Registration())
    made["envoyExtAuthzGrpc"] |= changes
    return made


def without_timeout():
    made = changed()
    del made["envoyExtAuthzGrpc"]["timeout"]
    return made


def test_notes_print_the_entry_that_the_command_line_prints(asked):
    ours = registration.Registration("guard", port=7000)
    assert entry(asked()) == {"extensionProviders": [changed()]}
    notes = asked(COMBINATIONS["everything"])
    assert entry(notes) == {"extensionProviders": [registration.entry(ours)]}


@pytest.mark.parametrize(
    ("providers", "said"),
    [
        ([changed()], "It is there."),
        ([changed(service="authz-system/authz.authz-system.svc.cluster.local")], "It is there."),
        ([], "- istio: it has no extension provider authz"),
        ([{"name": "other"}], "it has no extension provider authz"),
        ([{"name": "authz", "envoyExtAuthzHttp": {}}], "has no envoyExtAuthzGrpc"),
        ([changed(service="authz.elsewhere.svc.cluster.local")], "its service is authz.elsewhere"),
        ([changed(port=9192)], "its port is 9192, and not 9191"),
        ([without_timeout()], "it has no timeout"),
        ([changed(failOpen=True)], "failOpen: whatever"),
    ],
)
def test_notes_say_whether_the_mesh_has_it(kube, asked, providers, said):
    mesh(kube, *providers)
    assert said in asked()


def test_notes_say_that_a_mesh_was_not_seen(kube, asked):
    with kube.client() as client:
        client.delete(path(MESH))
    assert "could not be seen" in asked()


def test_notes_look_at_every_revision_of_the_mesh(kube, asked):
    def labelled(name, **data):
        metadata = {"name": name, "namespace": "istio-system", "labels": {"istio.io/rev": "canary"}}
        kube.apply(MESH | {"metadata": metadata, "data": data})
        return path(MESH | {"metadata": metadata})

    def revision(*providers):
        return labelled("istio-canary", mesh=yaml.safe_dump({"extensionProviders": list(providers)}))

    with kube.client() as client:
        client.delete(path(MESH))
        made = [labelled("istio-sidecar-injector-canary", config="{}"), revision(changed())]
        alone = asked()
        mesh(kube, changed())
        revision(without_timeout())
        beside = asked()
        for each in made:
            client.delete(each)
    assert "It is there." in alone
    assert "- istio-canary: it has no timeout" in beside
    assert "- istio: " not in beside


def test_notes_look_where_the_mesh_is(kube, asked):
    kube.namespace("mesh")
    there = MESH | {"metadata": {"name": "istio-canary", "namespace": "mesh"}, "data": {"mesh": "{}"}}
    kube.apply(there)
    notes = asked({"config": {"istio": {"meshConfig": "mesh/istio-canary"}}})
    kube.delete(there)
    assert "ConfigMaps of mesh are now:\n  - istio-canary: it has no extension provider" in notes
    notes = asked({"config": {"istio": {"meshConfig": "mesh/istio"}}})
    assert "there is no ConfigMap mesh/istio (" in notes


def test_notes_say_that_nobody_can_read_the_metrics(asked):
    said = "Nobody can read the metrics yet"
    assert said in asked({"metrics": {"enabled": True}})
    assert said not in asked(COMBINATIONS["everything"])
    assert said not in asked({"metrics": {"enabled": True}, "networkPolicy": {"enabled": False}})


def checked(kube):
    command = [sys.executable, "-m", "authz", "config", "mesh", "--check"]
    ran = subprocess.run(
        command, env={"KUBECONFIG": str(kube.kubeconfig)}, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_the_check_reads_the_cluster(kube, release):
    mesh(kube, changed())
    assert "Service authz-system/authz not found" in checked(kube)[1]
    release("install")
    unseen = "not looked at, for there were none: AuthorizationPolicies"
    assert checked(kube) == (0, f"the cluster: extension provider authz: no mistakes; {unseen}\n")
    mesh(kube, without_timeout())
    canary = MESH | {
        "metadata": {**MESH["metadata"], "name": "istio-canary", "labels": {"istio.io/rev": "canary"}}
    }
    kube.apply(canary | {"data": {"mesh": "{}"}})
    code, said = checked(kube)
    assert code == 1
    assert "istio-canary: data.mesh.extensionProviders: has no provider" in said
    with kube.client() as client:
        client.delete(path(canary))
    assert said.startswith(
        "the cluster: data.mesh.extensionProviders[0].envoyExtAuthzGrpc.timeout: is not set"
    )


def test_an_old_definition_is_noticed_and_the_charts_own_mends_it(kube, release):
    assert "definition of APIRule is not this chart's" not in release("install")
    (ours,) = yaml.safe_load_all((CHART / "crds" / "apirules.yaml").read_text())
    older = yaml.safe_load(yaml.safe_dump(ours))
    del older["spec"]["versions"][0]["additionalPrinterColumns"]
    kube.apply(older)
    notes = release("upgrade")
    assert "definition of APIRule is not this chart's" in notes
    shown = helm.run("show", "crds", CHART)
    applied = kube.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=shown)
    assert applied.returncode == 0, applied.stderr
    assert "definition of APIRule is not this chart's" not in release("upgrade")


def test_a_release_that_is_taken_away_leaves_the_rules(kube, release):
    """Helm deletes no CRDs, and APIRules go with theirs."""
    release("install")
    release("uninstall")
    with kube.client() as client:
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        assert client.get(f"{crds}/apirules.gateway.kyma-project.io").status_code == 200
        assert client.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments").json()["items"] == []


def test_what_the_schema_refuses_reaches_no_cluster(release):
    with pytest.raises(Refused, match="replicas"):
        release("install", values={"replicas": 3})
