"""The real programs that tests, benchmarks and `authz up` run: built or fetched once, then kept.

Nothing here starts one. What can not be had raises CannotRun, and says what to do about it.
"""

from pathlib import Path

from authz.local.failure import CannotRun
from authz.local.programs import cache, debian, go, keycloak

__all__ = ["CannotRun", "cache", "get", "istio_crds", "prometheus_crds"]


def get(name: str) -> Path:
    """The program of that name, got now if it is not there yet; that may take minutes, and is said.

    Raises CannotRun.
    """
    if name in go.PROGRAMS:
        return go.program(name)
    if name == keycloak.NAME:
        return keycloak.folder()
    return debian.program(name)


def istio_crds() -> Path:
    """The file with all of Istio's CustomResourceDefinitions. Raises CannotRun."""
    return go.file("istio.io/api", "v1.30.3", "kubernetes/customresourcedefinitions.gen.yaml")


def prometheus_crds() -> Path:
    """The folder with the CustomResourceDefinitions of Prometheus' operator. Raises CannotRun."""
    module = "github.com/prometheus-operator/prometheus-operator"
    return go.folder(module, "v0.82.2", "example/prometheus-operator-crd")
