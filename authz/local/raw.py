"""One HTTP/1.1 request, byte for byte as given: what a careful client would tidy up must reach the gateway.

h11 reads the answer. It would not write such requests, and rightly so.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import h11

from authz.local.ports import LOOPBACK

TIMEOUT_S = 10.0  # the gateway gives up on the authorizer after two
READ_BYTES = 1 << 16  # any answer of the samples in one read


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers by lower-case name (the last of each), and body."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def document(self) -> dict[str, Any]:
        """The body as a JSON object, empty if it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}


async def ask(port: int, method: str, target: str, headers: Iterable[tuple[str, str]]) -> Answer:
    """Raises TimeoutError, OSError or h11.RemoteProtocolError where there is no proper answer."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    async with asyncio.timeout(TIMEOUT_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
        try:
            writer.write("\r\n".join(lines).encode("latin-1"))
            return await _answer(reader)
        finally:
            writer.close()
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("host", LOOPBACK)]))
    connection.send(h11.EndOfMessage())
    response, body = h11.Response(status_code=200, headers=[]), b""
    while not isinstance(event := connection.next_event(), h11.EndOfMessage):
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_BYTES))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            body += event.data
    headers = {name.decode(): value.decode("latin-1") for name, value in response.headers}
    return Answer(response.status_code, headers, body.decode("utf-8", "replace"))
