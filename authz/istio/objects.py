"""Others' objects, as far as a translation has to know them: Services, Gateways, the mesh's ConfigMap.

What else they hold is theirs; one that can not be read is left out, with a problem that names it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from authz import documents
from authz.istio import syntax, wording
from authz.istio.model import Many
from authz.istio.problem import Problem

Document = Mapping[str, Any]
T = TypeVar("T")
Found = TypeVar("Found", bound="Object")

MESH = "istio-system/istio"  # where Istio has its configuration unless it is told otherwise
MAPPING = BeforeValidator(lambda value: {} if value is None else value)  # YAML's null: written, left empty
LIST = BeforeValidator(lambda value: () if value is None else value)


def loaded_mesh(text: object) -> object:
    """The mesh's configuration is YAML within YAML."""
    if not isinstance(text, str):
        raise ValueError("must be text that holds YAML")  # noqa: TRY004 - pydantic's one error
    try:
        found = documents.read(text)
    except documents.Malformed as error:
        raise ValueError(f"is not YAML: {error}") from error
    if len(found) > 1:
        raise ValueError("must be a single YAML document")
    return (found and found[0]) or {}


class Part(BaseModel):
    """As much of something as has to be known."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True, alias_generator=to_camel)


class _Metadata(Part):
    name: str
    namespace: str = "default"
    labels: Annotated[dict[str, str], MAPPING] = {}
    annotations: Annotated[dict[str, str], MAPPING] = {}
    creation_timestamp: Annotated[str, BeforeValidator(syntax.timestamp)] = ""


class Object(Part):
    """A kind is only unique within its group: the Gateway API has Gateways too."""

    type: ClassVar[tuple[str, str]]
    metadata: _Metadata

    @property
    def key(self) -> str:
        """`namespace/name`."""
        return f"{self.metadata.namespace}/{self.metadata.name}"


class _ServicePort(Part):
    port: int


class _ServiceSpec(Part):
    type: str = "ClusterIP"
    selector: Annotated[dict[str, str], MAPPING] = {}
    ports: Annotated[Many[_ServicePort], LIST] = ()


class Service(Object):
    """Its selector tells which pods answer, an annotation whose APIRules may lead there."""

    type = ("v1", "Service")
    spec: Annotated[_ServiceSpec, MAPPING] = _ServiceSpec()


class _Port(Part):
    number: Annotated[int, Field(ge=1, le=65535)]


class _Server(Part):
    port: _Port
    hosts: Annotated[Many[str], LIST] = ()


class _GatewaySpec(Part):
    selector: Annotated[dict[str, str], MAPPING] = {}
    servers: Annotated[Many[_Server], LIST] = ()


class Gateway(Object):
    """Istio's."""

    type = ("networking.istio.io", "Gateway")
    spec: Annotated[_GatewaySpec, MAPPING] = _GatewaySpec()


class VirtualServiceSpec(Part):
    """Without gateways it is for the mesh's own clients."""

    hosts: Annotated[Many[str], LIST] = ()
    gateways: Annotated[Many[str], LIST] = ()


class VirtualService(Object):
    """Anybody's: it may serve a host that an APIRule claims."""

    type = ("networking.istio.io", "VirtualService")
    spec: Annotated[VirtualServiceSpec, MAPPING] = VirtualServiceSpec()


class Provider(Part):
    """Of the mesh, for whatever it may be."""

    model_config = ConfigDict(extra="allow")

    name: str

    @property
    def kinds(self) -> set[str]:
        """What it can be used for: `envoyExtAuthzGrpc`, `zipkin` and the like."""
        return set(self.model_extra or ())


class _MeshConfig(Part):
    extension_providers: Annotated[Many[Provider], LIST] = ()


class _MeshData(Part):
    mesh: Annotated[_MeshConfig, BeforeValidator(loaded_mesh)] = _MeshConfig()


class Mesh(Object):
    """istiod's own configuration."""

    type = ("v1", "ConfigMap")
    data: Annotated[_MeshData, MAPPING] = _MeshData()


def is_mesh(document: Document, key: str = MESH) -> bool:
    """Other ConfigMaps are others'."""
    return title(document) == f"ConfigMap {key}"


def meshes(documents: Iterable[Document], key: str) -> Iterator[Document]:
    """The one with the mesh's configuration, if it is among them."""
    return (document for document in documents if is_mesh(document, key))


def read(model: type[Found], among: Iterable[Document], problems: list[Problem]) -> Iterator[Found]:
    """Those of the model's kind that can be read; adds what is wrong with the others."""
    for document in among:
        if _type(document) == model.type:
            try:
                yield model.model_validate(document)
            except ValidationError as error:
                problems += wording.problems(error, prefix=f"{title(document)}: ")


def _type(document: Document) -> tuple[str, object]:
    return str(document.get("apiVersion")).split("/")[0], document.get("kind")


def title(document: Document) -> str:
    """`Kind namespace/name`."""
    metadata = document.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    return f"{document.get('kind')} {named.get('namespace', 'default')}/{named.get('name', '?')}"
