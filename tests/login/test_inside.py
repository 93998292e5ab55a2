"""A real Jaeger behind a real sidecar with the chart's policy: who inside of the cluster reaches which port.

Each of its ports has a listener of its own here, so what the policy says of a port is told to that listener.
"""

import ssl
from copy import deepcopy
from dataclasses import dataclass

import httpx
import pytest

from authz.local import certs, envoy
from authz.local.envoy import Address, Gateway, Workload
from authz.local.ports import LOOPBACK
from tests.charts.helm import COMBINATIONS, one, rendered
from tests.local import envoys
from tests.local.meshes import GATEWAY, SIDECAR, mesh
from tests.login import boards
from tests.servers import free_port, until

pytestmark = pytest.mark.slow

NAMESPACE = "istio-system"
WHO = {
    "gateway": GATEWAY,
    "kiali": "cluster.local/ns/istio-system/sa/kiali",
    "shop": "cluster.local/ns/shop/sa/shop",
}
QUERY, QUERY_GRPC, OTLP, ADMIN = 16686, 16685, 4318, 14269
SPANS = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "0af7651916cd43dd8448eb211c80319c",
                            "spanId": "b7ad6b7169203331",
                            "name": "buy",
                            "startTimeUnixNano": "1",
                            "endTimeUnixNano": "2",
                        }
                    ]
                }
            ],
        }
    ]
}


@dataclass(frozen=True)
class Inside:
    """`sidecar` are its ports, `own` are Jaeger's, both by the pod's."""

    folder: str
    sidecar: dict[int, int]
    own: dict[int, int]

    def client(self, who: str) -> httpx.Client:
        """With the certificate that somebody of the mesh has; "" has none."""
        context = ssl.create_default_context(cafile=f"{self.folder}/ca.pem")
        context.check_hostname = False  # its name is a SPIFFE ID
        if who:
            context.load_cert_chain(f"{self.folder}/{who}.pem", f"{self.folder}/{who}.key")
        return httpx.Client(verify=context, trust_env=False)

    def ask(self, who: str, port: int, path: str = "/") -> httpx.Response:
        with self.client(who) as client:
            return client.get(f"https://{LOOPBACK}:{self.sidecar[port]}{path}")


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inside")
    pods = list(boards.JAEGER.values())
    made = Inside(str(folder), {port: free_port() for port in pods}, {port: free_port() for port in pods})
    certs.issue(
        folder, {"sidecar": f"spiffe://{SIDECAR}"} | {who: f"spiffe://{it}" for who, it in WHO.items()}
    )
    (policy,) = [one(rendered(COMBINATIONS["dashboards"]), "AuthorizationPolicy", "authz-jaeger")]
    around = mesh(
        folder,
        gateway=Gateway(NAMESPACE, {}, Address(LOOPBACK, free_port())),
        workloads=tuple(_workload(made, port) for port in pods),
        providers={},
    )
    sidecar = envoy.compile([_of(policy, port) for port in pods], around).sidecar
    (folder / "sidecar").mkdir()
    envoy.publish(sidecar, folder / "sidecar")
    ports = {name: made.own[port] for name, port in boards.JAEGER.items()}
    with boards.jaeger(folder, ports), envoys.proxy(folder, "sidecar", free_port()):
        yield made


def _workload(made, port):
    listen, own = Address(LOOPBACK, made.sidecar[port]), Address(LOOPBACK, made.own[port])
    return Workload(
        f"jaeger.{NAMESPACE}.svc.cluster.local", port, NAMESPACE, {"port": str(port)}, listen, own
    )


def _of(policy, port):
    """What the policy says of one port."""
    found = deepcopy(policy)
    found["metadata"]["name"] += f"-{port}"
    found["spec"]["selector"] = {"matchLabels": {"port": str(port)}}
    rules = [each for each in found["spec"]["rules"] if str(port) in each["to"][0]["operation"]["ports"]]
    found["spec"]["rules"] = [{name: said for name, said in each.items() if name != "to"} for each in rules]
    return found


@pytest.mark.parametrize(
    ("port", "passing"),
    [
        (QUERY, {"gateway", "kiali"}),
        (QUERY_GRPC, {"kiali"}),
        (OTLP, {"gateway", "kiali", "shop"}),
        (ADMIN, set()),
    ],
)
def test_who_of_the_mesh_reaches_which_port_of_jaeger(inside, port, passing):
    answers = {who: inside.ask(who, port) for who in WHO}
    refused = {who for who, answer in answers.items() if answer.text == "RBAC: access denied"}
    assert refused == WHO.keys() - passing


@pytest.mark.parametrize("port", boards.JAEGER.values())
def test_who_is_not_of_the_mesh_reaches_nothing(inside, port):
    with pytest.raises(httpx.TransportError):
        inside.ask("", port)
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://{LOOPBACK}:{inside.sidecar[port]}/", trust_env=False)


def test_a_workload_sends_spans_and_reads_none(inside):
    with inside.client("shop") as shop:
        assert (
            shop.post(f"https://{LOOPBACK}:{inside.sidecar[OTLP]}/v1/traces", json=SPANS).status_code == 200
        )
    until(lambda: "shop" in inside.ask("gateway", QUERY, "/api/services").text)
    assert inside.ask("shop", QUERY, "/api/services").status_code == 403
