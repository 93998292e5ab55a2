"""Random bodies and time-outs.

A body is one message or is refused by name; it is never cut or read past its end.
"""

from authz.server.h2 import grpc

FIELDS = [(b":method", b"POST"), (b"te", b"trailers"), (b"content-type", b"application/grpc")]


def one(data: bytes) -> None:
    """The same bytes as a body and as a time-out."""
    call = grpc.call([*FIELDS, (b"grpc-timeout", data)])
    if call.timeout_s < 0:
        raise AssertionError(data)
    try:
        message = grpc.message(call, data)
    except grpc.Refusal as refusal:
        if not refusal.reply.head:
            raise AssertionError(data) from refusal
        return
    if grpc.framed(message) != data:
        raise AssertionError(data)
