"""An API server in memory, as far as one kind of object goes; `ERRORS` are raised one after the other."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from authz.controller import kinds
from authz.controller.api import Api, Refused
from authz.controller.kinds import Document, Kind

# ruff: noqa: ARG002 - it takes what its parent takes


class FakeApi(Api):
    """Lists in pages of two; a watch gives what is put into `events`, and ends at None."""

    def __init__(self) -> None:  # not its parent's: nothing is connected
        self.objects: dict[str, Document] = {}
        self.version = 0
        self.errors: list[Exception] = []
        self.events: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.asked: list[Mapping[str, str]] = []

    def put(self, name: str, **parts: Any) -> Document:
        self.version += 1
        metadata = {"name": name, "namespace": "n", "resourceVersion": str(self.version)}
        self.objects[f"n/{name}"] = {"metadata": metadata} | parts
        return self.objects[f"n/{name}"]

    def event(self, kind: str, document: Document) -> bytes:
        return json.dumps({"type": kind, "object": document}).encode()

    async def list(self, kind: Kind, query: Mapping[str, str]) -> Document:
        self.asked.append(query)
        self._fail()
        start = int(query.get("continue", 0))
        found = list(self.objects.values())
        metadata = {"resourceVersion": str(self.version)}
        if start + 2 < len(found):
            metadata["continue"] = str(start + 2)
        return {"metadata": metadata, "items": found[start : start + 2]}

    async def lines(self, kind: Kind, query: Mapping[str, str], quiet_s: float) -> AsyncIterator[bytes]:
        self.asked.append(query)
        while (event := await self.events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event

    async def get(self, kind: Kind, key: str) -> Document:
        self._fail()
        if key not in self.objects:
            raise Refused(404, key)
        return copy.deepcopy(self.objects[key])

    async def create(self, kind: Kind, document: Document) -> Document:
        self._fail()
        if kinds.key(document) in self.objects:
            raise Refused(409, "there")
        return self._write(document)

    async def replace(self, kind: Kind, document: Document) -> Document:
        self._fail()
        if (
            self.objects[kinds.key(document)]["metadata"]["resourceVersion"]
            != document["metadata"]["resourceVersion"]
        ):
            raise Refused(409, "changed")
        return self._write(document)

    def _write(self, document: Document) -> Document:
        self.version += 1
        written = copy.deepcopy(document)
        written["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kinds.key(document)] = written
        return copy.deepcopy(written)

    def _fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
