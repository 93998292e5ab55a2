"""The console of several workers: their decisions together, and one of them for what all have alike."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from authz.server.console.recent import Row
from authz.server.console.view import ASK_S, BadRequest

_NOBODY: Row = {"count": 0, "hosts": [], "problems": ["No worker answers yet."]}


class Crew:
    """`sockets` are the workers' admin ports."""

    def __init__(self, sockets: Sequence[Path]) -> None:
        self._sockets = sockets

    async def decisions(self, request_id: str, after: str) -> list[Row]:
        """Those of all of them, the latest first."""
        answers = await asyncio.gather(
            *(_get(socket, "/decisions", id=request_id, after=after) for socket in self._sockets)
        )
        rows = [row for answer in answers for row in answer or ()]
        return sorted(rows, key=lambda row: str(row["at"]), reverse=True)

    async def rules(self, wanted: str) -> Row:
        """They are the same everywhere."""
        found: Row = await self._first("/rules", q=wanted) or _NOBODY
        return found

    async def sources(self) -> list[Row]:
        """As one of them has it: each asks by itself."""
        return await self._first("/sources") or []

    async def explain(self, question: Mapping[str, Any]) -> Row:
        """By whoever answers first."""
        for socket in self._sockets:
            try:
                async with _client(socket) as client:
                    answer = await client.post("/explain", json=dict(question))
            except httpx.TransportError:
                continue
            found: Row = answer.json()
            if answer.status_code == 400:
                raise BadRequest(found["error"])
            return found
        raise BadRequest("No worker answers.")

    async def _first(self, path: str, **query: str) -> Any:
        for socket in self._sockets:
            if (found := await _get(socket, path, **query)) is not None:
                return found
        return None


async def _get(socket: Path, path: str, **query: str) -> Any:
    """None if the worker is not there, or too busy."""
    try:
        async with _client(socket) as client:
            answer = await client.get(path, params=query)
    except httpx.TransportError:
        return None
    return answer.json() if answer.status_code == 200 else None


def _client(socket: Path) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(socket))
    return httpx.AsyncClient(transport=transport, timeout=2 * ASK_S, base_url="http://worker")
