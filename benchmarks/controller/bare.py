"""The writes of a controller without the controller: by the same client, as many at once."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from authz.controller.api import CONNECTIONS, Api
from authz.controller.held import FINALIZER
from authz.controller.kinds import APIRULES, EMITTED, Document
from tests.controller.clusters import EXT, JWT, PUBLIC, apirule

ACCESS = (PUBLIC, JWT, EXT)

Write = Callable[[], Awaitable[Any]]


def rule(number: int, turn: int = 0) -> Document:
    """A third each is public, asks for a token, and asks the authorizer."""
    return apirule(f"b{number}", ACCESS[(number + turn) % 3])


async def create(api: Api, count: int) -> None:
    """So many APIRules."""
    await at_once([partial(api.apply, APIRULES, rule(number)) for number in range(count)])


async def elsewhere(api: Api, rules: list[Document]) -> list[Document]:
    """As many APIRules where no controller looks, with the statuses that theirs have got."""
    found = [copied(one) for one in rules]
    await at_once([partial(api.apply, APIRULES, one) for one in found])
    return [one | {"status": there["status"]} for one, there in zip(found, rules, strict=True)]


async def write(api: Api, objects: list[Document], rules: list[Document]) -> tuple[float, float]:
    """Seconds for objects of the same kinds and sizes, and for the finalizers and statuses of these."""
    finalizer = {"metadata": {"finalizers": [FINALIZER]}}
    writes: list[Write] = [partial(api.merge, APIRULES, key_of(one), finalizer) for one in rules]
    told = ((key_of(one), {"status": one["status"]}) for one in rules)
    writes += [partial(api.merge, APIRULES, key, status, "status") for key, status in told]
    applies = [partial(api.apply, EMITTED[one["kind"]], copied(one)) for one in objects]
    return await at_once(applies), await at_once(writes)


async def at_once(writes: Iterable[Write]) -> float:
    """Seconds for all of them, as many at once as the controller does."""
    waiting = iter(list(writes))

    async def worker() -> None:
        for write in waiting:
            await write()

    began_s = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(CONNECTIONS)))
    return time.perf_counter() - began_s


def copied(one: Document) -> Document:
    """In another namespace, as large as it is."""
    metadata = {"name": one["metadata"]["name"], "namespace": "default"}
    if labels := one["metadata"].get("labels"):
        metadata["labels"] = labels
    return {"apiVersion": one["apiVersion"], "kind": one["kind"], "metadata": metadata, "spec": one["spec"]}


def key_of(one: Document) -> str:
    """`namespace/name`."""
    return f"{one['metadata']['namespace']}/{one['metadata']['name']}"
