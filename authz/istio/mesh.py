"""What the mesh's configuration says of its authorizers, wherever it stands, and who asks for them.

It is read as istiod reads it, and no further than the checks of `registered` need.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, Strict, ValidationError

from authz.istio import objects, wording
from authz.istio.model import Many
from authz.istio.objects import Document, Object, Part
from authz.istio.problem import Problem

# What tells MeshConfig itself, without anything around it, from other documents.
_OWN = {"accessLogFile", "defaultConfig", "defaultProviders", "extensionProviders", "pathNormalization"}

Port = Annotated[int, Strict(False), Field(ge=1, le=65535)]  # protobuf's JSON takes numbers as text too


class Grpc(Part):
    """envoyExtAuthzGrpc."""

    service: str = ""
    port: Port
    timeout: str = ""
    fail_open: bool = False
    status_on_error: str = ""
    include_request_body_in_check: Mapping[str, Any] | None = None


class Listed(Part):
    """One of `extensionProviders`."""

    name: str = ""
    envoy_ext_authz_grpc: Grpc | None = None
    envoy_ext_authz_http: Mapping[str, Any] | None = None


class _Paths(Part):
    normalization: str = "DEFAULT"


class MeshConfig(Part):
    """Of the whole mesh."""

    extension_providers: Annotated[Many[Listed], objects.LIST] = ()
    path_normalization: _Paths = _Paths()
    root_namespace: str = "istio-system"


@dataclass(frozen=True, slots=True)
class Found:
    """A mesh's configuration; `path` is where in its document it stands, with a dot at its end."""

    path: str
    config: MeshConfig


class _ServicePort(Part):
    port: int
    name: str = ""
    app_protocol: str = ""


class _ServiceSpec(Part):
    ports: Annotated[Many[_ServicePort], objects.LIST] = ()


class Service(Object):
    """Its ports, and what is spoken there."""

    type = ("v1", "Service")
    spec: _ServiceSpec = _ServiceSpec()


class _Labels(Part):
    match_labels: Mapping[str, str] = {}


class TargetRef(Part):
    """A Gateway or Service that a policy is attached to."""

    kind: str
    name: str


class _Provider(Part):
    name: str = ""


class _PolicySpec(Part):
    selector: _Labels = _Labels()
    target_ref: TargetRef | None = None
    target_refs: Annotated[Many[TargetRef], objects.LIST] = ()
    action: str = "ALLOW"
    provider: _Provider = _Provider()


class Policy(Object):
    """Whom it concerns, and which authorizer it asks."""

    type = ("security.istio.io", "AuthorizationPolicy")
    spec: Annotated[_PolicySpec, objects.MAPPING] = _PolicySpec()

    @property
    def targets(self) -> set[tuple[str, str]]:
        """What it is attached to, if it is not by labels."""
        refs = [*self.spec.target_refs, *([self.spec.target_ref] if self.spec.target_ref else [])]
        return {(ref.kind, ref.name) for ref in refs}


def configs(document: Document, problems: list[Problem]) -> Iterator[Found]:
    """Of a ConfigMap, an IstioOperator, Helm's values, or as it is; adds what can not be read."""
    for path, body in _bodies(document, problems):
        try:
            yield Found(path, MeshConfig.model_validate(body))
        except ValidationError as error:
            found = wording.problems(error, prefix=path)
            problems += (Problem(each.path.removesuffix("."), each.message) for each in found)


def _bodies(document: Document, problems: list[Problem]) -> Iterator[tuple[str, Any]]:
    match document:
        case {"kind": "ConfigMap", "data": {"mesh": text}}:
            path = "data.mesh" if objects.is_mesh(document) else f"{objects.title(document)}: data.mesh"
            try:
                yield f"{path}.", objects.loaded_mesh(text)
            except ValueError as error:
                problems.append(Problem(path, str(error)))
        case {"kind": "IstioOperator", "spec": {"meshConfig": body}}:
            yield "spec.meshConfig.", body
        case {"kind": _}:
            return
        case {"meshConfig": body}:
            yield "meshConfig.", body
        case _ if _OWN.intersection(document):
            yield "", document
