"""The HTTP filters of one proxy in istiod's order: ask, then verify tokens, then deny, then allow.

Left out are the filters that only measure (grpc_stats) or that no resource here can turn on (fault).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from betterproto2 import Message
from envoy_data_plane.envoy.config.core.v3 import ApiVersion, GrpcService, GrpcServiceEnvoyGrpc
from envoy_data_plane.envoy.config.rbac.v3 import Policy, Rbac, RbacAction
from envoy_data_plane.envoy.extensions.filters.http.cors.v3 import Cors
from envoy_data_plane.envoy.extensions.filters.http.ext_authz.v3 import ExtAuthz
from envoy_data_plane.envoy.extensions.filters.http.rbac.v3 import Rbac as RbacFilter
from envoy_data_plane.envoy.extensions.filters.http.router.v3 import Router
from envoy_data_plane.envoy.extensions.filters.network.http_connection_manager.v3 import HttpFilter
from envoy_data_plane.envoy.type.matcher.v3 import (
    MetadataMatcher,
    MetadataMatcherPathSegment,
    StringMatcher,
    ValueMatcher,
)
from envoy_data_plane.envoy.type.v3 import HttpStatus, StatusCode
from envoy_data_plane.google.protobuf import Any

from authz.local.envoy import cors, jwt, rbac
from authz.local.envoy.clusters import provider_cluster
from authz.local.envoy.document import Document
from authz.local.envoy.mesh import Mesh, Provider

RBAC = "envoy.filters.http.rbac"
SHADOW = "istio_ext_authz_"


def chain(documents: Sequence[Document], mesh: Mesh) -> list[HttpFilter]:
    """The filters for the documents that select one proxy."""
    by_action: dict[str, list[Document]] = {"CUSTOM": [], "DENY": [], "ALLOW": []}
    for document in _of_kind(documents, "AuthorizationPolicy"):
        by_action[_action(document)].append(document)
    return [
        *_custom(by_action["CUSTOM"], mesh.providers),
        *_authenticated(_of_kind(documents, "RequestAuthentication"), mesh.jwks),
        *_enforced(by_action["DENY"], RbacAction.DENY),
        *_enforced(by_action["ALLOW"], RbacAction.ALLOW),
        _filter(cors.FILTER, Cors()),
        _filter("envoy.filters.http.router", Router()),
    ]


def _of_kind(documents: Sequence[Document], kind: str) -> list[Document]:
    return [document for document in documents if document.kind == kind]


def _action(policy: Document) -> str:
    policy.spec.only("selector", "action", "provider", "rules")
    action = policy.spec.text("action", "ALLOW")
    if action not in ("CUSTOM", "DENY", "ALLOW"):
        raise policy.spec.error("action", f"{action} is not supported by the local gateway")
    return action


def _custom(documents: Sequence[Document], providers: Mapping[str, Provider]) -> Iterator[HttpFilter]:
    """A pair for each provider: rules that only leave a mark, and the question asked where it is left.

    Of several providers all must allow: Istio with PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS.
    """
    asked: dict[str, dict[str, Policy]] = {}
    for document in documents:
        provider = document.spec["provider"].only("name")
        name = provider.text("name")
        if name not in providers:
            raise provider.error("name", f"no provider {name!r} in the mesh")
        _only_before_authentication(document)
        asked.setdefault(name, {}).update(rbac.policies(document, f"istio-ext-authz-{name}-"))
    for name in sorted(asked):
        shadow = Rbac(action=RbacAction.DENY, policies=asked[name])
        yield _filter(RBAC, RbacFilter(shadow_rules=shadow, shadow_rules_stat_prefix=SHADOW))
        yield _filter("envoy.filters.http.ext_authz", _ext_authz(name, providers[name]))


def _only_before_authentication(document: Document) -> None:
    """Istio's webhook refuses a CUSTOM policy that asks who is calling: nothing has been verified yet."""
    rules = document.spec.nodes("rules")
    if not rules:
        raise document.spec.error("rules", "a CUSTOM policy must have some")
    for rule in rules:
        if "from" in rule:
            raise rule.error("from", "does not go with action CUSTOM")
        for condition in rule.nodes("when"):
            if condition.text("key").startswith("request.auth."):
                raise condition.error("key", "does not go with action CUSTOM")


def _ext_authz(name: str, provider: Provider) -> ExtAuthz:
    """Fails closed: an authorizer that does not answer in time is a 503."""
    mark = MetadataMatcherPathSegment(key=f"{SHADOW}shadow_effective_policy_id")
    marked = ValueMatcher(string_match=StringMatcher(prefix=f"istio-ext-authz-{name}"))
    return ExtAuthz(
        grpc_service=GrpcService(
            envoy_grpc=GrpcServiceEnvoyGrpc(
                cluster_name=provider_cluster(provider), authority=provider.service
            ),
            timeout=timedelta(seconds=provider.timeout_s),
        ),
        status_on_error=HttpStatus(code=StatusCode.ServiceUnavailable),
        transport_api_version=ApiVersion.V3,
        filter_enabled_metadata=MetadataMatcher(filter=RBAC, path=[mark], value=marked),
    )


def _authenticated(documents: Sequence[Document], jwks: Mapping[str, str]) -> Iterator[HttpFilter]:
    if authentication := jwt.authentication(documents, jwks):
        yield _filter(rbac.JWT_AUTHN, authentication)


def _enforced(documents: Sequence[Document], action: RbacAction) -> Iterator[HttpFilter]:
    """No document, no filter: a proxy without ALLOW policies allows. One without rules matches nothing."""
    for document in documents:
        if "provider" in document.spec:
            raise document.spec.error("provider", "only goes with action CUSTOM")
    if documents:
        policies = {
            name: policy for document in documents for name, policy in rbac.policies(document).items()
        }
        yield _filter(RBAC, RbacFilter(rules=Rbac(action=action, policies=policies)))


def _filter(name: str, config: Message) -> HttpFilter:
    return HttpFilter(name=name, typed_config=Any.pack(config))
