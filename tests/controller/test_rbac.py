"""The roles in `config/rbac/`: all that is needed works, and nothing else is allowed."""

import asyncio
from pathlib import Path

import pytest
import yaml

from authz import config
from authz.controller.kinds import APIRULES, POLICIES, VIRTUAL_SERVICES
from authz.controller.kubeconfig import Access
from authz.server.following import Following
from tests.controller.clusters import EXT, JWT, SETTINGS, apirule, controlled, entered, eventually, prepare
from tests.kube.server import ApiServer, path
from tests.servers import PATIENCE_S

pytestmark = pytest.mark.slow

ROLES = Path(__file__).parents[2] / "config" / "rbac"
CONTROLLER = "system:serviceaccount:authz-system:authz-controller"
AUTHORIZER = "system:serviceaccount:authz-system:authz"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    users = {"controller": (CONTROLLER,), "authorizer": (AUTHORIZER,)}
    with ApiServer(tmp_path_factory.mktemp("rbac"), users) as server:
        prepare(server)
        for file in ROLES.glob("*.yaml"):
            for document in yaml.safe_load_all(file.read_text()):
                server.apply(document)
        yield server


def access(server, token):
    found = prepare(server)
    return Access(found.server, found.tls, token, namespace="authz-system")


async def test_the_controller_can_do_all_that_it_has_to(server):
    async with entered(prepare(server)) as cluster, controlled(access(server, "controller")) as controller:
        for rule in (JWT, EXT):
            await cluster.apply(apirule("a", rule))
            assert (await cluster.settled("shop/a"))["status"]["state"] == "Ready"
        await cluster.api.merge(VIRTUAL_SERVICES, "shop/a", {"spec": {"exportTo": ["."]}})

        async def repaired():
            found = await cluster.get(VIRTUAL_SERVICES, "shop/a")
            return found and "exportTo" not in found["spec"]

        await eventually(repaired)
        await cluster.api.delete(APIRULES, "shop/a")
        await cluster.gone(APIRULES, "shop/a")
        assert await cluster.all(POLICIES) == []
        outcomes = {outcome for _, _, outcome in controller.requests}
        assert outcomes <= {"200", "201"}, controller.requests


async def test_the_authorizer_can_do_all_that_it_has_to(server, tmp_path):
    file = tmp_path / "kubeconfig"
    found = yaml.safe_load(server.kubeconfig.read_text())
    found["users"][0]["user"] = {"token": "authorizer"}
    file.write_text(yaml.safe_dump(found))
    kubernetes = config.Kubernetes(kubeconfig=file)
    following = Following(SETTINGS.model_copy(update={"kubernetes": kubernetes}), lambda _loaded: None)
    tasks = [asyncio.create_task(loop) for loop in following.loops()]
    await asyncio.wait_for(following.synced(), PATIENCE_S)
    for task in tasks:
        task.cancel()
    await following.close()


EVERYTHING = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
ISTIO = "list watch create patch delete"
ALLOWED = {
    CONTROLLER: {
        "gateway.kyma-project.io/apirules": "get list watch patch",
        "gateway.kyma-project.io/apirules/status": "patch",
        "events.k8s.io/events": "create",
        "/services": "list watch",
        "/pods": "list",
        "networking.istio.io/gateways": "list watch",
        "networking.istio.io/virtualservices": ISTIO,
        "security.istio.io/authorizationpolicies": ISTIO,
        "security.istio.io/requestauthentications": ISTIO,
    },
    AUTHORIZER: {
        "gateway.kyma-project.io/apirules": "list watch",
        "networking.istio.io/gateways": "list watch",
    },
}
OTHERS = [
    "/secrets",
    "/configmaps",
    "/pods",
    "/pods/exec",
    "/serviceaccounts/token",
    "/events",
    "apps/deployments",
    "rbac.authorization.k8s.io/clusterroles",
    "coordination.k8s.io/leases",
    "networking.istio.io/envoyfilters",
    "security.istio.io/peerauthentications",
]


@pytest.mark.parametrize("user", ALLOWED)
def test_nothing_else_is_allowed(server, user):
    with server.client() as client:
        for resource in [*ALLOWED[CONTROLLER], *OTHERS]:
            allowed = {verb for verb in EVERYTHING if may(client, user, verb, resource)}
            assert allowed == set(ALLOWED[user].get(resource, "").split()), resource


def may(client, user, verb, resource):
    group, _, rest = resource.partition("/")
    plural, _, sub = rest.partition("/")
    attributes = {"namespace": "shop", "verb": verb, "group": group, "resource": plural, "subresource": sub}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": attributes},
    }
    answer = client.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", json=review)
    assert answer.status_code == 201, answer.text
    return answer.json()["status"]["allowed"]


def test_of_configmaps_and_leases_only_one_each_is_open(server):
    with server.client("controller") as client:
        mesh = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "istio", "namespace": "istio-system"},
        }
        assert client.get(path(mesh)).status_code == 403  # it lists, by name
        url = "/api/v1/namespaces/istio-system/configmaps"
        assert client.get(url, params={"fieldSelector": "metadata.name=istio"}).status_code == 200
        assert client.get(url).status_code == 403
        lease = "/apis/coordination.k8s.io/v1/namespaces/authz-system/leases"
        assert client.get(f"{lease}/somebody-elses").status_code == 403
