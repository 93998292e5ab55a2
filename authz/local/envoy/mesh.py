"""What the compiler has to know beside the Istio resources: who listens where, with which identity.

On a cluster istiod reads this from Services, pods and MeshConfig; on a laptop the caller says it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP socket address; `host` is an IP address."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Identity:
    """A SPIFFE principal without its scheme, as Istio writes it, and the PEM files that prove it."""

    principal: str
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ingress gateway: policies select it by namespace and labels."""

    namespace: str
    labels: Mapping[str, str]
    listen: Address


@dataclass(frozen=True, slots=True)
class Workload:
    """One port of one Service: `host` is its full name, `listen` is the sidecar's side of it."""

    host: str
    port: int
    namespace: str
    labels: Mapping[str, str]
    listen: Address
    application: Address

    @property
    def key(self) -> str:
        """What istiod ends the names of clusters and routes with."""
        return f"{self.port}||{self.host}"


@dataclass(frozen=True, slots=True)
class Provider:
    """An `envoyExtAuthzGrpc` extension provider: its Service, and where that really listens."""

    service: str
    port: int
    address: Address
    timeout_s: float = 2.0  # as the mesh configuration of the samples says; Istio's default is ten minutes


@dataclass(frozen=True, slots=True)
class Mesh:
    """Everything around the resources. `jwks` holds the text of each JWKS by its URI.

    Without an `access_log` the lines go to standard output.
    """

    gateway: Gateway
    gateway_identity: Identity
    sidecar_identity: Identity
    ca: Path
    workloads: tuple[Workload, ...] = ()
    providers: Mapping[str, Provider] = field(default_factory=lambda: MappingProxyType({}))
    jwks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    root_namespace: str = "istio-system"
    access_log: Path | None = None
