"""A null responder: our transports with a service that answers without looking.

What is left of a Check's cost here is the transport's; what the real authorizer adds is the decision's.
"""

import asyncio
import sys

import uvloop

from authz.core import path
from authz.core.decision import Allow
from authz.core.policy import Rule
from authz.core.reason import Reason
from authz.server import grpcio, wire
from authz.server.h2 import server as h2
from authz.server.service import Service

_RULE = Rule("null", frozenset({"GET"}), path.parse("/*"))
_HEADERS = {"x-auth-subject": "alice", "x-auth-email": "alice@example.com", "x-auth-scopes": "read write"}
ANSWER = wire.allowed(Allow(Reason.AUTHORIZED, _RULE, _HEADERS, ("x-auth-groups",)))


class Null(Service):
    """Says yes, always in the same words: as long as those of the real one."""

    def __init__(self) -> None:
        """It needs nothing."""

    async def rpc(self, _: bytes, __: object = None) -> bytes:
        """Neither decodes nor encodes."""
        return ANSWER


async def serve(transport: str, address: str) -> None:
    """Until the process is ended."""
    server = h2.Server(Null(), address) if transport == "h2" else grpcio.Server(Null(), address)
    await server.start()
    await server.serving(ready=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(*sys.argv[1:]))
