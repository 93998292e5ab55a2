"""Header blocks: HPACK by its library, the rules of RFC 9113 8 for requests, and a memory of blocks.

A client that sends the same bytes again, as Envoy does, has them read once.
"""

import re
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from hpack import HPACKError, OversizedHeaderListError
from hpack.hpack import Decoder

from authz.server.h2.faults import Cause, Code, ConnectionFault
from authz.server.h2.limits import Limits

T = TypeVar("T")

Fields = list[tuple[bytes, bytes]]

_REQUIRED = frozenset({b":method", b":scheme", b":path"})
_PSEUDO = _REQUIRED | {b":authority"}
# RFC 9113 8.2.2: these belong to one hop of HTTP/1.1.
_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_name = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+").fullmatch  # RFC 9110 5.6.2 in lower case
_value = re.compile(rb"(?:[^\0\r\n \t](?:[^\0\r\n]*[^\0\r\n \t])?)?").fullmatch  # RFC 9113 8.2.1
# RFC 7541 4.2: two at most, the smallest size since the last block and the size now.
_three_updates = re.compile(rb"(?:[\x20-\x3e]|\x3f[\x80-\xff]{0,8}[\0-\x7f]){3}").match
_length = re.compile(rb"[0-9]{1,18}").fullmatch


class Malformed(ValueError):
    """A request that RFC 9113 8.1.1 tells us to answer with a stream error."""


class Headers(Generic[T]):
    """Reads the header blocks of one connection, in their order; `read` gives a request's its meaning.

    A block is remembered only while the dynamic table stays what it was when the block was read: then the
    same bytes mean the same fields. Whatever changes the table empties the memory.
    """

    def __init__(self, limits: Limits, read: Callable[[Fields], T]) -> None:
        self._limits = limits
        self._read = read
        self._memo: dict[bytes, T] = {}
        self._decoder = Decoder(limits.list_max_bytes)
        self._table = self._decoder.header_table
        self._steady = True  # the last block left the table as it was

    def request(self, block: bytes) -> T:
        """Raises Malformed, after which the connection goes on, or ConnectionFault."""
        known = self._memo.get(block)
        if known is None:
            known = self._read(request(self.fields(block)))
            if self._steady:
                self._remember(block, known)
        return known

    def fields(self, block: bytes) -> Fields:
        """Any block, to keep the table in step. Raises ConnectionFault."""
        before = self._state()
        if _three_updates(block):
            raise ConnectionFault(Code.COMPRESSION_ERROR, "the table is resized without end")
        try:
            fields: Fields = list(self._decoder.decode(block, raw=True))
        except OversizedHeaderListError as error:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "headers too long", Cause.HEADERS) from error
        except HPACKError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, "not HPACK") from error
        self._steady = self._state() == before
        if not self._steady:
            self._memo.clear()
        return fields

    def _state(self) -> tuple[int, Fields]:
        return self._table.maxsize, list(self._table.dynamic_entries)

    def _remember(self, block: bytes, value: T) -> None:
        if len(block) > self._limits.memo_block_max_bytes:
            return
        if len(self._memo) >= self._limits.memo_blocks:
            self._memo.clear()
        self._memo[block] = value


def request(fields: Fields) -> Fields:
    """The fields as they are if they make a request (RFC 9113 8.3.1). Raises Malformed.

    A pseudo-header field after one that is none stands among those whose names have no colon.
    """
    pseudo = [name for name, _ in fields if name[:1] == b":"]
    if len(set(pseudo)) < len(pseudo) or not set(pseudo) <= _PSEUDO:
        raise Malformed("a pseudo-header field that is unknown, or there twice")
    values = dict(fields[: len(pseudo)])
    if values.get(b":method") != b"CONNECT" and not (values.keys() >= _REQUIRED and values[b":path"]):
        raise Malformed("a pseudo-header field is missing")
    _check(fields[len(pseudo) :], values.values())
    lengths = {value for name, value in fields if name == b"content-length"}
    if len(lengths) > 1 or not all(map(_length, lengths)):
        raise Malformed("a content-length that is none")
    return fields


def trailers(fields: Fields) -> None:
    """Raises Malformed: RFC 9113 8.1 has no pseudo-header fields there."""
    _check(fields, ())


def _check(fields: Fields, others: Iterable[bytes]) -> None:
    for name, value in fields:
        if not _name(name) or name in _HOP or (name == b"te" and value != b"trailers"):
            raise Malformed("a field that may not be there")
        if not _value(value):
            raise Malformed("a field with a value that may not be")
    if not all(map(_value, others)):
        raise Malformed("a pseudo-header field with a value that may not be")
