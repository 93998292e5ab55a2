"""Random header blocks, each read twice.

A reader with a memory and one without must see the same requests and the same faults.
"""

from dataclasses import replace

from authz.server.h2 import grpc
from authz.server.h2.faults import ConnectionFault
from authz.server.h2.grpc import Call
from authz.server.h2.headers import Headers, Malformed
from authz.server.h2.limits import LIMITS

FORGETFUL = replace(LIMITS, memo_block_max_bytes=-1)


def one(data: bytes) -> None:
    """Blocks of up to 255 bytes, each after its length; the connection ends with the first fault."""
    remembering = Headers(LIMITS, grpc.call)
    forgetting = Headers(FORGETFUL, grpc.call)
    while data:
        block, data = data[1 : 1 + data[0]], data[1 + data[0] :]
        for _ in range(2):
            seen = read(remembering, block)
            if seen != read(forgetting, block):
                raise AssertionError(block)
            if seen == "fault":
                return


def read(headers: Headers[Call], block: bytes) -> Call | str:
    """The call, or what is wrong."""
    try:
        return headers.request(block)
    except Malformed:
        return "malformed"
    except ConnectionFault:
        return "fault"
