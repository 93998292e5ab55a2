"""gRPC over HTTP/2 (its PROTOCOL-HTTP2 document): what a request asks for, and answers in ready-made bytes.

Our header blocks use no dynamic table, so that one and the same block serves every connection.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from math import inf
from struct import Struct
from types import MappingProxyType

from hpack import Encoder

from authz.core import trace
from authz.server.h2.limits import PREFIX_BYTES

# gRPC's `TimeoutUnit`s, in seconds.
_UNITS_S = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_timeout = re.compile(rb"([0-9]{1,8})([HMSmun])").fullmatch
_content_type = re.compile(rb"application/grpc(?:\+proto)?(?:;.*)?").fullmatch
_prefix = Struct(">BI")
_IDENTITY = (b"identity", b"")
_TRACE = {name.encode(): name for name in trace.FIELDS}
_NOTHING: Mapping[str, str] = MappingProxyType({})


class Status(IntEnum):
    """gRPC's status codes, those that a server of ours gives."""

    OK = 0
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    RESOURCE_EXHAUSTED = 8
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14


@dataclass(frozen=True, slots=True)
class Reply:
    """A response that gives no message: a header block and, for those who do not speak gRPC, a text."""

    head: bytes
    text: bytes = b""


class Refusal(Exception):
    """A call that gets no more than this."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Call:
    """What a request's header fields say; `told` of its trace. `refusal` is the answer whatever the body."""

    path: bytes
    timeout_s: float = inf
    length: int | None = None
    encoded: bool = False
    refusal: Reply | None = None
    told: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


def block(fields: Iterable[tuple[str, str]]) -> bytes:
    """A header block that touches no table: each field as `never indexed` (RFC 7541 6.2.3)."""
    encoder = Encoder()
    return b"".join(encoder.encode([(name, value, True)], huffman=False) for name, value in fields)


def status(code: Status, text: str, *fields: tuple[str, str]) -> Reply:
    """A response that is nothing but a status, `Trailers-Only`. The text is plain ASCII without `%`."""
    return Reply(block([*_HEAD, ("grpc-status", str(int(code))), ("grpc-message", text), *fields]))


def http(code: int, *fields: tuple[str, str]) -> Reply:
    """A response for those who do not speak gRPC."""
    return Reply(block([(":status", str(code)), ("content-type", "text/plain"), *fields]), _HINT)


_HINT = b"Only gRPC is spoken here.\n"
_HEAD = ((":status", "200"), ("content-type", "application/grpc"))
HEAD = block(_HEAD)
OK = block([("grpc-status", "0")])
LEAVING = block([("grpc-status", str(int(Status.UNAVAILABLE))), ("grpc-message", "going away")])
LATE = status(Status.DEADLINE_EXCEEDED, "the deadline has passed")
TOO_LONG = status(Status.RESOURCE_EXHAUSTED, "the message is too long")
WATCHES = status(Status.RESOURCE_EXHAUSTED, "too many watches")
UNKNOWN = status(Status.UNIMPLEMENTED, "no such method")
COMPRESSED = status(Status.UNIMPLEMENTED, "no compression here", ("grpc-accept-encoding", "identity"))
CARDINALITY = status(Status.UNIMPLEMENTED, "one message is expected")
UNKNOWN_SERVICE = status(Status.NOT_FOUND, "no such service")
NO_REQUEST = status(Status.INTERNAL, "the message can not be read")
TRUNCATED = status(Status.INTERNAL, "the message ends too early")
BAD_TIMEOUT = status(Status.INTERNAL, "grpc-timeout can not be read")
BAD_FLAG = status(Status.INTERNAL, "no encoding was named")
NOT_POST = http(405, ("allow", "POST"))
NOT_GRPC = http(415)
NO_TRAILERS = http(400)


def call(fields: Iterable[tuple[bytes, bytes]]) -> Call:
    """What the fields of a request say; they are known to make a request."""
    first: dict[bytes, bytes] = {}
    for name, value in fields:
        first.setdefault(name, value)
    length = first.get(b"content-length")
    return Call(
        path=first.get(b":path", b""),
        timeout_s=_seconds(first.get(b"grpc-timeout")),
        length=None if length is None else int(length),
        encoded=first.get(b"grpc-encoding", b"") not in _IDENTITY,
        refusal=_refusal(first),
        told={_TRACE[name]: first[name].decode("latin-1") for name in first.keys() & _TRACE} or _NOTHING,
    )


def message(call: Call, body: bytes) -> bytes:
    """The one message in a body. Raises Refusal."""
    if len(body) < PREFIX_BYTES:
        raise Refusal(TRUNCATED if body else CARDINALITY)
    compressed, size = _prefix.unpack_from(body)
    if compressed:
        raise Refusal(COMPRESSED if call.encoded and compressed == 1 else BAD_FLAG)
    if size + PREFIX_BYTES != len(body):
        raise Refusal(TRUNCATED if size + PREFIX_BYTES > len(body) else CARDINALITY)
    return body[PREFIX_BYTES:]


def framed(message: bytes) -> bytes:
    """A message as it travels."""
    return _prefix.pack(0, len(message)) + message


def _seconds(timeout: bytes | None) -> float:
    match = _timeout(timeout) if timeout else None
    return int(match[1]) * _UNITS_S[match[2]] if match else inf


def _refusal(first: Mapping[bytes, bytes]) -> Reply | None:
    if first[b":method"] != b"POST":
        return NOT_POST
    if not _content_type(first.get(b"content-type", b"")):
        return NOT_GRPC
    if b"te" not in first:
        return NO_TRAILERS
    if not _timeout(first.get(b"grpc-timeout", b"1S")):
        return BAD_TIMEOUT
    return None
