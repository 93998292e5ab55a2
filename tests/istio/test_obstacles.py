"""What a cluster may hold against an APIRule: each as a change to a cluster where all is well."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from authz.core.policy import Authorizer
from authz.istio import apirule, obstacles, translate
from authz.istio.problem import Invalid
from tests.istio.checks import good
from tests.istio.meshes import SETTINGS, known


def of(kind, name, namespace, api="networking.istio.io/v1", **rest):
    metadata = {"name": name, "namespace": namespace} | rest.pop("metadata", {})
    return {"apiVersion": api, "kind": kind, "metadata": metadata} | rest


def gateway(*hosts):
    servers = [{"port": {"number": 443}, "hosts": list(hosts)}] if hosts else []
    return of(
        "Gateway", "main", "gateways", spec={"selector": {"istio": "ingressgateway"}, "servers": servers}
    )


def service(name="shop", namespace="shop", **metadata):
    ports = [{"port": 80}, {"port": 8080}]
    return of(
        "Service", name, namespace, "v1", metadata=metadata, spec={"selector": {"app": name}, "ports": ports}
    )


def virtual_service(name="other", namespace="shop", *, gateways=("gateways/main",), since="", **metadata):
    if since:
        metadata["creationTimestamp"] = since
    spec = {"hosts": ["Shop.example.com"], "gateways": list(gateways)}
    return of("VirtualService", name, namespace, metadata=metadata, spec=spec)


MESH = """
extensionProviders:
  - {name: authz, envoyExtAuthzGrpc: {service: authz.authz, port: 9191}}
  - {name: login, envoyExtAuthzHttp: {service: login.auth, port: 4180}}
  - {name: traces, zipkin: {service: zipkin.traces, port: 9411}}
  - {name: old_login, envoyExtAuthzHttp: {service: login.auth, port: 4180}}
"""
CLUSTER = {
    "gateway": gateway("*"),
    "service": service(),
    "mesh": of("ConfigMap", "istio", "istio-system", "v1", data={"mesh": MESH}),
}


def asking(*authorizers):
    return {"path": "/a", "methods": ["GET"], "extAuth": {"authorizers": list(authorizers)}}


def elsewhere(**chosen):
    return {"path": "/a", "methods": ["GET"], "noAuth": True, "service": {"name": "far", "port": 80} | chosen}


FAR = {"namespace": "far"}
ALLOWED = "gateway.kyma-project.io/allowed-namespaces"
OWNED = {"labels": {f"apirule.gateway.kyma-project.io/{part}": "shop" for part in ("name", "namespace")}}
AT_AUTHORIZERS = "spec.rules[0].extAuth.authorizers"
OCCUPIED = "spec.hosts[0]: Host shop.example.com is occupied by VirtualService shop/other"
REFUSED = (
    "spec.rules[0].service: Service far/far admits no APIRules of namespace shop: "
    "its people can, with the annotation gateway.kyma-project.io/allowed-namespaces: shop"
)

ALIAS = service() | {"spec": {"type": "ExternalName", "externalName": "x.test", "selector": {"app": "shop"}}}
GUARDLESS = (
    "spec.service: Service shop/shop is of type ExternalName: what it stands for no policy guards, "
    "so it takes enforcement Gateway, and istio.foreignServices Allow"
)
OCCUPIED_NEAR = OCCUPIED.replace("shop/", "gateways/")
OWN_ONLY = "spec.hosts[0]: Gateway gateways/main serves ./*.example.com only"
OVERLAP = (
    "spec.hosts[1]: Host a.example.com is one of *.example.com, and a VirtualService may hold only one of "
    "them: write an APIRule for each"
)
TAKEN_NAME = (
    "metadata.name: VirtualService shop/shop exists, and no APIRule has become it: rename one of the two"
)
NO_AUTHORIZER = (
    f'{AT_AUTHORIZERS}: "traces" of the mesh is no authorizer: it has neither envoyExtAuthzGrpc nor '
    "envoyExtAuthzHttp"
)
OLD_NAME = (
    f'{AT_AUTHORIZERS}: "old_login" of the mesh is not a name that Istio 1.30 and later take: only '
    "lower-case letters, digits and -"
)
MISSPELT = f'{AT_AUTHORIZERS}: Authorizer "logim" not found, did you mean "login"?'
NO_MESH = (
    f'{AT_AUTHORIZERS}: Authorizer "other" not found, and the mesh\'s own are not known: '
    "ConfigMap istio-system/istio was not found"
)

# what the APIRule says, what the cluster has, what is in the way
TABLE: list[tuple[dict[str, Any], dict[str, Any], list[str]]] = [
    ({}, {}, []),
    ({}, {"gateway": gateway("*.example.com")}, []),
    ({}, {"gateway": gateway("*.test", "shop.example.com")}, []),
    ({}, {"gateway": gateway("shop/*.example.com")}, []),
    ({}, {"gateway": gateway("*/*")}, []),
    ({}, {"gateway": gateway()}, []),
    ({"hosts": ["*.example.com"]}, {"gateway": gateway("shop.example.com")}, []),
    (
        {},
        {"gateway": gateway("./*.example.com")},
        [OWN_ONLY],
    ),
    (
        {"hosts": ["a.example.com", "a.test"]},
        {"gateway": gateway("*.example.com", "b.test")},
        ["spec.hosts[1]: Gateway gateways/main serves *.example.com, b.test only"],
    ),
    (
        {"hosts": ["*.example.com", "a.example.com"]},
        {},
        [OVERLAP],
    ),
    ({"hosts": ["shop", "shop.example.com"]}, {"gateway": gateway("*.example.com")}, []),
    ({}, {"other": virtual_service()}, [OCCUPIED]),
    ({}, {"other": virtual_service(gateways=["main.gateways.svc.cluster.local"])}, [OCCUPIED]),
    ({}, {"other": virtual_service(gateways=["main", "mesh"])}, []),
    (
        {},
        {"other": virtual_service(namespace="gateways", gateways=["main"])},
        [OCCUPIED.replace("shop/", "gateways/")],
    ),
    ({}, {"other": virtual_service(gateways=[])}, []),
    ({}, {"other": virtual_service(since="2026-01-01T00:00:00Z")}, [OCCUPIED]),
    ({}, {"other": virtual_service(**OWNED)}, []),
    (
        {},
        {"other": virtual_service("shop", gateways=["mesh"])},
        [TAKEN_NAME],
    ),
    ({}, {"other": virtual_service("shop", gateways=["mesh"], **OWNED)}, []),
    (
        {"service": {"name": "shop", "port": 81}},
        {},
        ["spec.service.port: Service shop/shop has no port 81, it has 80, 8080"],
    ),
    ({"rules": [elsewhere(**FAR)]}, {"far": service("far", "far")}, []),
    ({"rules": [elsewhere(**FAR)]}, {"far": service("far", "far", annotations={ALLOWED: "a, shop"})}, []),
    ({"rules": [elsewhere(**FAR)]}, {"far": service("far", "far", annotations={ALLOWED: "*"})}, []),
    ({"rules": [elsewhere(**FAR)]}, {"far": service("far", "far", annotations={ALLOWED: "a"})}, [REFUSED]),
    ({"rules": [elsewhere(**FAR)]}, {"far": service("far", "far", annotations={ALLOWED: ""})}, [REFUSED]),
    ({"rules": [elsewhere()]}, {"far": service("far", "shop", annotations={ALLOWED: ""})}, []),
    ({}, {"service": ALIAS}, [GUARDLESS]),
    ({"enforcement": "Gateway"}, {"service": ALIAS}, []),
    (
        {"rules": [elsewhere(**FAR)]},
        {"far": service("fair", "far", annotations={ALLOWED: "shop"})},
        ['spec.rules[0].service: Service far/far not found, did you mean "far/fair"?'],
    ),
    (
        {"rules": [elsewhere(**FAR)]},
        {"far": service("fair", "far")},
        ["spec.rules[0].service: Service far/far not found"],
    ),
    ({"rules": [asking("ours", "authz")]}, {}, []),
    ({"rules": [asking("login")]}, {}, []),
    (
        {"rules": [asking("traces")]},
        {},
        [NO_AUTHORIZER],
    ),
    (
        {"rules": [asking("old_login")]},
        {},
        [OLD_NAME],
    ),
    (
        {"rules": [asking("logim")]},
        {},
        [MISSPELT],
    ),
    (
        {"rules": [asking("other")]},
        {"mesh": of("ConfigMap", "else", "istio-system", "v1")},
        [NO_MESH],
    ),
]


@pytest.mark.parametrize(("spec", "there", "problems"), TABLE, ids=range(len(TABLE)))
def test_what_is_in_the_way_is_told(spec, there, problems):
    assert [str(found) for found in obstacles.problems(*placed(spec, there))] == problems


def placed(spec, there=None, settings=SETTINGS, **metadata):
    document = good()
    document["spec"] |= deepcopy(spec)
    document["metadata"] |= metadata
    around = known((CLUSTER | (there or {})).values(), [Authorizer("ours")], settings=settings)
    return apirule.parse(document), around


def test_a_wildcard_can_not_name_the_ports_of_a_large_gateway():
    ports = [{"port": {"number": 8000 + 37 * each}, "hosts": ["*"]} for each in range(50)]
    large = gateway("*") | {"spec": {"selector": {"istio": "ingressgateway"}, "servers": ports}}
    (found,) = obstacles.problems(*placed({"hosts": ["*.example.com"]}, {"gateway": large}))
    assert str(found).startswith("spec.hosts[0]: A wildcard names the Gateway's ports, and gateways/main has")
    assert not obstacles.problems(*placed({}, {"gateway": large}))


def test_a_wildcard_can_not_name_all_of_very_many_hosts_below_it():
    rules = [{"path": f"/{each}", "methods": ["GET"], "noAuth": True} for each in range(50)]
    wildcard, around = placed({"hosts": ["*.example.com"], "rules": rules})
    other, _ = placed({}, name="other")
    most = obstacles.BELOW_MAX // len(rules)
    for count, problems in ((most, 0), (most + 1, 1)):
        owners = {f"{each}.example.com": other for each in range(count)}
        assert len(obstacles.problems(wildcard, replace(around, owners=owners))) == problems


def test_a_younger_virtual_service_does_not_take_the_host_away():
    there = {"other": virtual_service(since="2026-01-02T00:00:00Z")}
    assert not obstacles.problems(*placed({}, there, creationTimestamp="2026-01-01T00:00:00Z"))
    assert obstacles.problems(*placed({}, there, creationTimestamp="2026-01-03T00:00:00Z"))


def test_a_mesh_may_want_services_of_other_namespaces_to_say_who_may_lead_there():
    strict = SETTINGS.__class__(
        SETTINGS.provider, SETTINGS.gateway_selector, SETTINGS.gateway_principal, "Refuse"
    )
    silent, saying = service("far", "far"), service("far", "far", annotations={ALLOWED: "shop"})
    rule = {"rules": [elsewhere(**FAR)]}
    assert [str(found) for found in obstacles.problems(*placed(rule, {"far": silent}, strict))] == [REFUSED]
    assert not obstacles.problems(*placed(rule, {"far": saying}, strict))
    by_gateway = {"enforcement": "Gateway"}  # an alias of ours may stand for a Service of theirs
    assert [str(found) for found in obstacles.problems(*placed(by_gateway, {"service": ALIAS}, strict))] == [
        GUARDLESS
    ]


def test_the_mesh_that_is_missed_is_that_of_the_settings():
    canary = replace(SETTINGS, mesh_config="mesh/istio-canary")
    (unseen,) = obstacles.problems(*placed({"rules": [asking("other")]}, settings=canary))
    assert unseen.message.endswith("ConfigMap mesh/istio-canary was not found")
    there = of("ConfigMap", "istio-canary", "mesh", "v1", data={"mesh": ""})
    (lacking,) = obstacles.problems(*placed({"enforcement": "Gateway"}, {"mesh": there}, canary))
    assert "extensionProviders in ConfigMap mesh/istio-canary, as" in lacking.message


def test_all_of_it_is_told_at_once():
    spec = {"gateway": "gateways/mian", "service": {"name": "shopp", "port": 80}, "rules": [asking("ourss")]}
    with pytest.raises(Invalid) as caught:
        translate.translate(*placed(spec))
    assert [problem.path for problem in caught.value.problems] == [
        "spec.gateway",
        "spec.service",
        AT_AUTHORIZERS,
    ]
