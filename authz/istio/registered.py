"""What is missing or unsafe in how the mesh is told about the authorizer: all of it, for `--check`.

Istio takes most of these without a word, and requests then wait, fail, or pass.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, islice

from authz.istio import mesh, objects, syntax
from authz.istio.mesh import Found, Grpc, Listed, Policy, Service
from authz.istio.objects import Document
from authz.istio.problem import PROBLEMS_MAX, Problem, did_you_mean
from authz.istio.registration import Registration, over_grpc

_DRY_RUN = "istio.io/dry-run"
_HTTP2 = {"grpc", "grpc-web", "http2", "kubernetes.io/h2c"}  # istio.io: Protocol Selection
_host = re.compile(r"(?:[^/]+/)?([^./]+)\.([^./]+)\.svc\..+").fullmatch
_duration = re.compile(r"([0-9]{0,9}(?:\.[0-9]{0,9})?)s").fullmatch  # protobuf's JSON
_refuses = re.compile(r"[45][0-9]{2}").fullmatch

_NO_MESH = "there is no MeshConfig: that is ConfigMap {}, key `mesh`"
_MISSING = 'has no provider "{}": `authz config mesh` prints it{}'
_TWICE = 'is a second provider "{}": Istio takes neither'
_NAME = "is not a name that Istio 1.30 and later take: only lower-case letters, digits and -"
_HTTP = "the authorizer speaks gRPC, not HTTP: use envoyExtAuthzGrpc{}"
_KYMA = ", or apply the EnvoyFilter that `--format kyma` prints"
_NO_TIMEOUT = "is not set: Istio waits for 10 minutes"
_TIMEOUT = "is no time in seconds, like 2s"
_SHORT = (
    "is shorter than the authorizer waits for others: its callers would get 503 and no reason; at least 2s"
)
_LONG = "is how long every request waits while the authorizer is down: 2s is enough, more than 10s too much"
TIMEOUT_MIN_S = 2.0  # sources.answers.WAIT_S, and the way there and back
TIMEOUT_MAX_S = 10.0
_FAIL_OPEN = "lets every request pass that the authorizer can not answer"
_NO_STATUS = 'is not set: while the authorizer is down clients get 403, as if they had no right: "503"'
_STATUS = "must be an error, 4xx or 5xx: it is what clients get while the authorizer is down"
_BODY = "makes Envoys hold back request bodies, which the authorizer never looks at"
_NO_HOST = "must be the whole name, like {}: Istio completes none"
_NO_SERVICE = "Service {} not found{}: until it is there, Istio refuses what the authorizer has to decide"
_NO_PORT = "Service {} has no port {}, it has {}"
_NOT_GRPC = "Service {} does not say that port {} speaks gRPC: every check fails without `appProtocol: grpc`"
_PATHS = "must not be NONE: `/public/../admin` would be judged as a path below `/public`"
_SEVERAL = (
    'asks provider "{}" and may select the pods of {}, which asks "{}": Istio denies everything there, '
    "unless istiod has PILOT_ENABLE_MULTIPLE_CUSTOM_AUTHZ_PROVIDERS (1.30 and later)"
)
_NOBODY = 'asks provider "{}", which the mesh does not have: Istio refuses what it selects'
_DRY = "is refused or enforced as a denial with action CUSTOM: take the annotation away"


@dataclass(frozen=True, slots=True)
class Checked:
    """Everything that is wrong, and what could not be looked at for want of documents."""

    problems: tuple[Problem, ...]
    unseen: tuple[str, ...]


def check(documents: Iterable[Document], registration: Registration) -> Checked:
    """The mesh's configuration; and the Services and AuthorizationPolicies that stand beside it."""
    documents, problems = list(documents), list[Problem]()
    configs = [found for document in documents for found in mesh.configs(document, problems)]
    services = {found.key: found for found in objects.read(Service, documents, problems)}
    policies = [*objects.read(Policy, documents, problems)]
    if not configs and not problems:
        problems.append(Problem("meshConfig", _NO_MESH.format(registration.mesh_config)))
    patched = _is_there(over_grpc(registration), documents)
    for found in configs:
        problems += _providers(found, registration, patched=patched)
        problems += _reached(found, registration, services)
        if found.config.path_normalization.normalization == "NONE":
            problems.append(Problem(f"{found.path}pathNormalization.normalization", _PATHS))
    problems += _nobody(policies, configs) if configs else ()
    problems += _crowded(policies, {found.config.root_namespace for found in configs})
    given = {"Services": services, "AuthorizationPolicies": policies}
    return Checked(tuple(islice(problems, PROBLEMS_MAX)), tuple(name for name in given if not given[name]))


def _providers(found: Found, registration: Registration, *, patched: bool) -> Iterator[Problem]:
    name = registration.provider
    names = [listed.name for listed in found.config.extension_providers]
    if name not in names:
        yield Problem(f"{found.path}extensionProviders", _MISSING.format(name, did_you_mean(name, names)))
    for index, (path, listed) in enumerate(_listed(found)):
        if _asks(listed) and not syntax.is_short(listed.name):
            yield Problem(f"{path}.name", _NAME)
        if listed.name in names[:index]:
            yield Problem(f"{path}.name", _TWICE.format(listed.name))
        if listed.name == name:
            yield from _ours(path, listed, patched=patched)


def _ours(path: str, listed: Listed, *, patched: bool) -> Iterator[Problem]:
    if listed.envoy_ext_authz_grpc:
        yield from _grpc(f"{path}.envoyExtAuthzGrpc", listed.envoy_ext_authz_grpc)
    elif listed.envoy_ext_authz_http is None:
        yield Problem(path, _HTTP.format(""))
    elif not patched:
        yield Problem(path, _HTTP.format(_KYMA))


def _grpc(path: str, grpc: Grpc) -> Iterator[Problem]:
    if said := _timed(grpc.timeout):
        yield Problem(f"{path}.timeout", said)
    if grpc.fail_open:
        yield Problem(f"{path}.failOpen", _FAIL_OPEN)
    if not grpc.status_on_error:
        yield Problem(f"{path}.statusOnError", _NO_STATUS)
    elif not _refuses(grpc.status_on_error):
        yield Problem(f"{path}.statusOnError", _STATUS)
    if grpc.include_request_body_in_check is not None:
        yield Problem(f"{path}.includeRequestBodyInCheck", _BODY)


def _timed(timeout: str) -> str:
    """What is wrong with it, or "" if nothing is."""
    found = _duration(timeout)
    if timeout and (not found or found[1] in ("", ".")):
        return _TIMEOUT
    seconds = float(found[1]) if found else 0.0
    if not seconds:
        return _NO_TIMEOUT
    if seconds < TIMEOUT_MIN_S:
        return _SHORT
    return _LONG if seconds > TIMEOUT_MAX_S else ""


def _reached(found: Found, registration: Registration, services: Mapping[str, Service]) -> Iterator[Problem]:
    """Whether its address leads to something that speaks gRPC. Others than Services are not known."""
    for path, listed in _listed(found):
        grpc = listed.envoy_ext_authz_grpc
        if listed.name != registration.provider or grpc is None:
            continue
        where = f"{path}.envoyExtAuthzGrpc"
        named = _host(grpc.service)
        if "." not in grpc.service or grpc.service.endswith(".svc"):
            yield Problem(f"{where}.service", _NO_HOST.format(registration.service))
        elif named and services:
            key = f"{named[2]}/{named[1]}"
            yield from _at(where, grpc, key, services)


def _at(path: str, grpc: Grpc, key: str, services: Mapping[str, Service]) -> Iterator[Problem]:
    service = services.get(key)
    if service is None:
        yield Problem(f"{path}.service", _NO_SERVICE.format(key, did_you_mean(key, services)))
        return
    ports = {port.port: port for port in service.spec.ports}
    port = ports.get(grpc.port)
    if port is None:
        yield Problem(f"{path}.port", _NO_PORT.format(key, grpc.port, ", ".join(map(str, sorted(ports)))))
    elif (port.app_protocol or port.name.split("-")[0]) not in _HTTP2:
        yield Problem(f"{path}.port", _NOT_GRPC.format(key, grpc.port))


def _nobody(policies: Iterable[Policy], configs: Iterable[Found]) -> Iterator[Problem]:
    """Whoever asks somebody who is not there. Of several revisions each workload has one, so any will do."""
    known = {listed.name for found in configs for listed in found.config.extension_providers}
    for policy in policies:
        name = policy.spec.provider.name
        if policy.spec.action == "CUSTOM" and name not in known:
            yield Problem(f"AuthorizationPolicy {policy.key}", _NOBODY.format(name))


def _crowded(policies: Iterable[Policy], roots: set[str]) -> Iterator[Problem]:
    """Istio allows a workload one provider."""
    asking: dict[str, list[Policy]] = {}
    for policy in policies:
        if policy.spec.action == "CUSTOM":
            asking.setdefault(policy.spec.provider.name, []).append(policy)
            if _DRY_RUN in policy.metadata.annotations:
                yield Problem(f"AuthorizationPolicy {policy.key}", _DRY)
    for (one, ones), (other, others) in combinations(sorted(asking.items()), 2):
        for policy in ones:
            for beside in others:
                if _meet(policy, beside, roots):
                    said = _SEVERAL.format(one, beside.key, other)
                    yield Problem(f"AuthorizationPolicy {policy.key}", said)


def _meet(one: Policy, other: Policy, roots: set[str]) -> bool:
    """Whether some pod may have both; pods themselves are not known."""
    namespaces = {one.metadata.namespace, other.metadata.namespace}
    if len(namespaces) > 1 and not namespaces & roots:
        return False
    if one.targets and other.targets:
        return bool(one.targets & other.targets)
    wanted, also = one.spec.selector.match_labels, other.spec.selector.match_labels
    return all(also[label] == wanted[label] for label in wanted.keys() & also.keys())


def _listed(found: Found) -> Iterator[tuple[str, Listed]]:
    for index, listed in enumerate(found.config.extension_providers):
        yield f"{found.path}extensionProviders[{index}]", listed


def _asks(listed: Listed) -> bool:
    return listed.envoy_ext_authz_grpc is not None or listed.envoy_ext_authz_http is not None


def _is_there(document: Document, among: Iterable[Document]) -> bool:
    wanted = objects.title(document)
    return any(objects.title(found) == wanted for found in among)
