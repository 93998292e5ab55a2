"""What has to be defined in a cluster before it takes our objects: Istio's kinds, and ours.

Files are read here and nothing else; where the API has an object is worked out from its kind.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from authz.local import programs

OURS = Path(__file__).parents[2] / "config" / "crd" / "apirules.yaml"
ISTIOS_GROUPS = ("networking.istio.io", "security.istio.io")
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Namespace"}

Document = Mapping[str, Any]


def custom_resources() -> list[Document]:
    """Ours, and those of Istio's that an APIRule becomes or names."""
    with programs.istio_crds().open() as file:
        istios = [found for found in yaml.load_all(file, yaml.CSafeLoader) if found]
    ours = yaml.safe_load(OURS.read_text())
    return [ours, *(found for found in istios if found["spec"]["group"] in ISTIOS_GROUPS)]


def path(document: Document) -> str:
    """Of an object, by its kind's usual plural."""
    version, metadata = document["apiVersion"], document["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    is_namespaced = document["kind"] not in CLUSTER_WIDE
    namespace = f"/namespaces/{metadata.get('namespace', 'default')}" if is_namespaced else ""
    kind = document["kind"].lower()
    plural = kind[:-1] + "ies" if kind.endswith("y") and kind != "gateway" else kind + "s"
    return f"{root}{namespace}/{plural}/{metadata['name']}"
