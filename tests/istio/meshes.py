"""A mesh as the configuration has it unless told otherwise, for the tests of this folder."""

from collections.abc import Iterable
from typing import Any

import yaml

from authz.core.policy import Authorizer
from authz.istio import cluster
from authz.istio.cluster import Cluster, Settings
from authz.mesh import Istio

SETTINGS = Settings(**Istio().model_dump())


def known(
    documents: Iterable[dict[str, Any]],
    authorizers: Iterable[Authorizer] = (),
    headers: Iterable[str] = (),
    settings: Settings = SETTINGS,
) -> Cluster:
    """Of documents without a mistake."""
    found, problems = cluster.parse(documents, {one.name: one for one in authorizers}, headers, settings)
    assert problems == ()
    return found


SHOP = known(
    yaml.safe_load_all("""
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: shop}
spec: {selector: {app: shop}}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: main, namespace: gateways}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 443}, hosts: ["*"]}]}
"""),
    [Authorizer("ours")],
)
