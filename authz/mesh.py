"""How the mesh is set up, as the configuration has it: its own settings, our name in it, its gateway."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from authz.values import Name, ObjectName, Principal, Section


class Istio(Section):
    """What the mesh calls us, and which gateway is ours."""

    provider: Name = "authz"
    """The name in MeshConfig.extensionProviders."""
    mesh_config: ObjectName = "istio-system/istio"
    """The ConfigMap with Istio's MeshConfig, NAMESPACE/NAME. That of a revision is called istio-REVISION."""
    gateway_selector: Annotated[Mapping[str, str], Field(min_length=1)] = Field(
        default_factory=lambda: {"istio": "ingressgateway"}
    )
    """Labels of the gateway's pods, for rules with `enforcement: Gateway`."""
    gateway_principal: Principal = "cluster.local/ns/istio-system/sa/istio-ingressgateway-service-account"
    """The gateway's identity, which workloads admit."""
    foreign_services: Literal["Allow", "Refuse"] = "Allow"
    """Whether APIRules may lead to Services of other namespaces that do not say who may."""
