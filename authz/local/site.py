"""The ground that the two Envoys stand on: who they are, where they listen, what really listens where.

Values only: nothing is started here, and only `issue` writes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from authz.istio.cluster import Settings
from authz.local import certs
from authz.local.envoy import Address, Gateway, Identity, Mesh, Provider, Workload
from authz.local.ports import LOOPBACK, Ports

SIDECAR_PRINCIPAL = "cluster.local/ns/default/sa/workload"

Backend = tuple[str, int]  # a Service's full name, and its port
Places = Mapping[Backend, int]  # added to the first sidecar's port and to the first echo's


@dataclass(frozen=True, slots=True)
class Site:
    """One gateway, and one sidecar for all workloads. `certificates` is the folder of theirs.

    `addresses` says where Services really listen; behind every other stands an echo.
    """

    settings: Settings
    ports: Ports
    certificates: Path
    addresses: Mapping[Backend, Address] = field(default_factory=lambda: MappingProxyType({}))

    def issue(self) -> None:
        """Both their certificates, and the authority's."""
        principals = {"gateway": self.settings.gateway_principal, "sidecar": SIDECAR_PRINCIPAL}
        certs.issue(self.certificates, {name: f"spiffe://{who}" for name, who in principals.items()})

    def workload(self, backend: Backend, labels: Mapping[str, str], place: int) -> Workload:
        """One port of a Service whose pods have these labels."""
        host, port = backend
        return Workload(
            host=host,
            port=port,
            namespace=host.split(".")[1],
            labels=labels,
            listen=Address(LOOPBACK, self.ports.sidecar + place),
            application=self.addresses.get(backend, Address(LOOPBACK, self.ports.echo + place)),
        )

    def mesh(
        self, workloads: Iterable[Workload], providers: Mapping[str, Provider], jwks: Mapping[str, str]
    ) -> Mesh:
        """The world that resources are compiled for."""
        settings, listen = self.settings, Address(LOOPBACK, self.ports.gateway)
        return Mesh(
            gateway=Gateway(settings.gateway_namespace, settings.gateway_selector, listen),
            gateway_identity=self._identity(settings.gateway_principal, "gateway"),
            sidecar_identity=self._identity(SIDECAR_PRINCIPAL, "sidecar"),
            ca=self.certificates / "ca.pem",
            workloads=tuple(workloads),
            providers=providers,
            jwks=jwks,
        )

    def _identity(self, principal: str, name: str) -> Identity:
        return Identity(principal, self.certificates / f"{name}.pem", self.certificates / f"{name}.key")


def numbered(backends: Iterable[Backend], last: Places) -> Places:
    """A place for each backend: those that had one keep it, so that no listener has to move."""
    places = dict(last)
    for backend in backends:
        places.setdefault(backend, len(places))
    return places
