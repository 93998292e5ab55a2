"""Whether the pods that an APIRule leads to have sidecars: without one nobody enforces its policies.

Asked before a route begins and not afterwards: pods come and go by the thousand, and are not watched.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from authz.controller.api import Api
from authz.controller.kinds import Document, Kind
from authz.core.memo import Memo
from authz.istio import placement
from authz.istio.apirule import APIRule
from authz.istio.cluster import Cluster
from authz.istio.placement import Workload
from authz.istio.problem import Problem

PODS = Kind("v1", "Pod", "pods")
LOOKED_AT_MAX = 20  # of a workload: they come from one template
GOOD_S = 30.0  # for which a good answer serves: many APIRules lead to one workload, and come together
REMEMBERED_MAX = 10_000  # workloads

SIDECAR = "istio-proxy"
_OVER = ("Succeeded", "Failed")
_BARE = "Pod {} does not have an injected istio sidecar"


class Sidecars:
    """`clock` gives seconds."""

    def __init__(self, api: Api, clock: Callable[[], float]) -> None:
        self._api = api
        self._clock = clock
        self._good = Memo[float](REMEMBERED_MAX)

    async def problems(self, apirule: APIRule, cluster: Cluster) -> tuple[Problem, ...]:
        """One for each rule that leads to a pod without; raises Refused and Unreachable."""
        if apirule.spec.enforcement == "Gateway":
            return ()
        workloads = placement.workloads(apirule, cluster)
        found = await asyncio.gather(*map(self._bare, workloads))
        return tuple(_problems(zip(workloads, found, strict=True)))

    async def _bare(self, workload: Workload) -> str:
        """The name of a pod without, or nothing."""
        pods = workload.pods
        good = self._good.get(pods)
        if good is not None and self._clock() - good < GOOD_S:
            return ""
        labels = ",".join(f"{name}={value}" for name, value in sorted(workload.selector.items()))
        query = {"labelSelector": labels, "limit": str(LOOKED_AT_MAX)}
        found = await self._api.list(replace(PODS, namespace=workload.namespace), query)
        bare = next((pod for pod in found.get("items") or () if _is_bare(pod)), None)
        if bare is None:
            self._good.put(pods, self._clock())
        return f"{workload.namespace}/{bare['metadata']['name']}" if bare else ""


def _is_bare(pod: Document) -> bool:
    spec = pod.get("spec", {})
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    over = "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in _OVER
    return not over and all(container.get("name") != SIDECAR for container in containers)


def _problems(found: Iterable[tuple[Workload, str]]) -> Iterator[Problem]:
    for workload, bare in found:
        for index in workload.rules if bare else ():
            yield Problem(f"spec.rules[{index}]", _BARE.format(bare))
