"""What the compiler refuses, each time by the name of the resource and the field."""

import pytest

from authz.local import envoy
from tests.local.meshes import mesh, operation, policy, resource, source, to_shop, virtual_service, when


def tokens(**rule):
    return resource("RequestAuthentication", "shop", {"jwtRules": [{"issuer": "i", "jwks": "{}", **rule}]})


AT = "AuthorizationPolicy apps/shop: spec"
VS = "VirtualService apps/shop: spec"
LOCAL = "not supported by the local gateway"


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({"apiVersion": "v1", "kind": "Service"}, "Service default/: v1 Service is not compiled here"),
        (policy({}, targetRefs=[]), f"{AT}.targetRefs: {LOCAL}"),
        (policy({}, action="AUDIT"), f"{AT}.action: AUDIT is {LOCAL}"),
        (policy({}, provider={"name": "authz"}), f"{AT}.provider: only goes with action CUSTOM"),
        (policy({}, selector={"matchExpressions": []}), f"{AT}.selector.matchExpressions: {LOCAL}"),
        (
            policy({}, action="CUSTOM", provider={"name": "x"}),
            f"{AT}.provider.name: no provider 'x' in the mesh",
        ),
        (policy(action="CUSTOM", provider={"name": "authz"}), f"{AT}.rules: a CUSTOM policy must have some"),
        (
            policy({"from": []}, action="CUSTOM", provider={"name": "authz"}),
            f"{AT}.rules[0].from: does not go with action CUSTOM",
        ),
        (
            policy(when("request.auth.x"), action="CUSTOM", provider={"name": "authz"}),
            f"{AT}.rules[0].when[0].key: does not go with action CUSTOM",
        ),
        (policy(operation(ports=["80"])), f"{AT}.rules[0].to[0].operation.ports: {LOCAL}"),
        (policy(operation(paths="/a")), f"{AT}.rules[0].to[0].operation.paths: must be of type list"),
        (policy(operation(paths=[1])), f"{AT}.rules[0].to[0].operation.paths[0]: must be a string"),
        (
            policy(source(ipBlocks=["10.0.0.0/8"])),
            f"{AT}.rules[0].from[0].source.ipBlocks: {LOCAL}",
        ),
        (policy(when("source.ip")), f"{AT}.rules[0].when[0].key: source.ip is {LOCAL}"),
        (
            policy(when("request.headers[a][b]", values=["x"])),
            f"{AT}.rules[0].when[0].key: request.headers[a][b] names more than one header",
        ),
        (tokens(outputPayloadToHeader="x"), f".outputPayloadToHeader: {LOCAL}"),
        (virtual_service(to_shop(rewrite={})), f"{VS}.http[0].rewrite: {LOCAL}"),
        (virtual_service(to_shop(match=[{"port": 80}])), f"{VS}.http[0].match[0].port: {LOCAL}"),
        (virtual_service(to_shop(match=[{"uri": {}}])), ".uri: must have one of exact, prefix and regex"),
        (virtual_service(to_shop(timeout="soon")), f"{VS}.http[0].timeout: soon is not a duration"),
        (virtual_service({"match": []}), f"{VS}.http[0].route: must have exactly one destination"),
        (virtual_service(to_shop(directResponse={})), f"{VS}.http[0].route: does not go with directResponse"),
        (virtual_service(to_shop(headers={"request": {"set": []}})), ".set: must be a mapping"),
        (
            virtual_service(to_shop(mirrors=[{"percentage": {"value": "1"}}])),
            f"{VS}.http[0].mirrors[0].percentage.value: must be a number",
        ),
        (
            resource("VirtualService", "shop", {"hosts": ["a"], "gateways": ["mesh"]}),
            f"{VS}.gateways: must name gateways, and not the mesh",
        ),
    ],
)
def test_what_is_not_done_as_istio_does_it_is_refused_by_name(made, message):
    with pytest.raises(envoy.Unsupported) as refused:
        envoy.compile([made], mesh())
    assert message in str(refused.value)


def test_a_dry_run_is_refused():
    made = policy({})
    made["metadata"]["annotations"] = {"istio.io/dry-run": "true"}
    with pytest.raises(envoy.Unsupported, match="dry-run"):
        envoy.compile([made], mesh())
