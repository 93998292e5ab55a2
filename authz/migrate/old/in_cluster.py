"""The old objects of a cluster, read once. Nothing is written there.

A kind that the cluster does not have is nothing to report: who has only Oathkeeper has no APIRules.
"""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from authz.controller import kubeconfig
from authz.controller.api import Api, Call, Refused, Unreachable
from authz.controller.kinds import Document, Kind
from authz.istio.apirule import GROUP
from authz.migrate.old import kinds

PAGE = "200"  # objects in one answer: a few MB at most
CLUSTER = "the cluster"

# As v2, an APIRule has its old form in an annotation; where v2 is not served, it is old itself.
_APIRULES = tuple(
    Kind(f"{GROUP}/{version}", "APIRule", "apirules") for version in ("v2", "v1beta1", "v1alpha1")
)
_RULES = Kind("oathkeeper.ory.sh/v1alpha1", "Rule", "rules")
_CLIENTS = Kind("hydra.ory.sh/v1alpha1", "OAuth2Client", "oauth2clients")
_CONFIG = Kind("v1", "ConfigMap", "configmaps", namespace="kyma-system")


async def read(config: Path | None = None) -> tuple[list[tuple[str, Any]], list[str]]:
    """Each object with where it is from, and what could not be read. Without `config` that of KUBECONFIG."""
    try:
        access = kubeconfig.find(config)
    except kubeconfig.Unusable as unusable:
        by = ", as KUBECONFIG has it" if config is None and os.environ.get("KUBECONFIG") else ""
        return [], [f"{CLUSTER}{by}: {unusable}"]
    api, problems = Api(access), list[str]()
    try:
        found = [one for kind in await _there(api, problems) for one in await _all(api, kind, problems)]
    finally:
        await api.close()
    return [
        (CLUSTER, one) for one in found if one["kind"] != "ConfigMap" or list(kinds.of_config_map(one))
    ], problems


async def _there(api: Api, problems: list[str]) -> list[Kind]:
    """Those that are served; of APIRules the first version, for all have the same objects."""
    try:
        answer = await api.send(Call("get", _CONFIG, "/apis"))
    except (Refused, Unreachable) as error:
        problems.append(f"{CLUSTER}: can not be read: {error}")
        return []
    served = {version["groupVersion"] for group in answer["groups"] for version in group["versions"]}
    apirules = [kind for kind in _APIRULES if kind.api_version in served][:1]
    return [*apirules, *(kind for kind in (_RULES, _CLIENTS) if kind.api_version in served), _CONFIG]


async def _all(api: Api, kind: Kind, problems: list[str]) -> list[Document]:
    """Nothing where there is no such kind."""
    try:
        return [one async for one in _pages(api, kind)]
    except Refused as refused:
        if refused.status != 404:
            problems.append(f"{CLUSTER}: {kind.plural} can not be read: {refused}")
    except Unreachable as error:
        problems.append(f"{CLUSTER}: {kind.plural} can not be read: {error}")
    return []


async def _pages(api: Api, kind: Kind) -> AsyncIterator[Document]:
    query = {"limit": PAGE}
    while True:
        answer = await api.list(kind, query)
        for item in answer["items"]:
            yield {"apiVersion": kind.api_version, "kind": kind.name} | item
        again = answer.get("metadata", {}).get("continue")
        if not again:
            return
        query = {"limit": PAGE, "continue": again}
