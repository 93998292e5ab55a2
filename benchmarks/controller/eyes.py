"""Sees what happens in a cluster, when it happens: a watch of its own for each kind."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from authz.controller.kinds import APIRULES, Document, Kind
from authz.istio import names
from tests.controller.clusters import Cluster

Happened = Callable[[str, Document], bool]


class Eyes:
    """`open` while something is to be seen."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting: list[tuple[Happened, asyncio.Future[float]]] = []
        self._last: dict[str, float] = {}  # when some object of an APIRule has changed

    @asynccontextmanager
    async def open(self, *kinds: Kind) -> AsyncIterator[None]:
        page = await self._cluster.api.list(APIRULES, {"limit": "1"})
        start = page["metadata"]["resourceVersion"]
        tasks = [asyncio.create_task(self._look(kind, start)) for kind in kinds]
        await asyncio.sleep(0.5)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def until(self, write: Awaitable[Any], happened: Happened) -> float:
        """Milliseconds from sending the write to seeing what it leads to."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((happened, future))
        began_s = time.perf_counter()
        await write
        seen_s: float = await asyncio.wait_for(future, 60)
        return (seen_s - began_s) * 1000

    async def until_ready(self, write: Awaitable[Any], name: str, generation: int) -> tuple[float, float]:
        """Milliseconds to the last of its objects, and to its status."""
        began_s = time.perf_counter()
        status_ms = await self.until(write, is_ready(name, generation))
        return (self._last[name] - began_s) * 1000, status_ms

    async def _look(self, kind: Kind, start: str) -> None:
        async for line in self._cluster.api.lines(kind, {"watch": "1", "resourceVersion": start}, 3600):
            now_s, event = time.perf_counter(), json.loads(line)
            labels = event["object"]["metadata"].get("labels", {})
            self._last[labels.get(names.OWNER_NAME, "")] = now_s
            for one in [one for one in self._waiting if one[0](event["type"], event["object"])]:
                self._waiting.remove(one)
                one[1].set_result(now_s)


def is_ready(name: str, generation: int) -> Happened:
    """All is written: the status comes last."""

    def look(_: str, one: Document) -> bool:
        status = one.get("status", {})
        found = one["kind"], one["metadata"]["name"], status.get("state"), status.get("observedGeneration")
        return found == ("APIRule", name, "Ready", generation)

    return look


def is_back(kind: str, name: str) -> Happened:
    """An object is as it was."""

    def look(happened: str, one: Document) -> bool:
        found = one["kind"], one["metadata"]["name"]
        return happened != "DELETED" and found == (kind, name) and "exportTo" not in one["spec"]

    return look
