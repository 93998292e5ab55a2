"""Streams: those alive, and what must be known of those that no longer are (RFC 9113 5.1).

Nothing here sends or reads a byte.
"""

from collections import deque
from typing import NamedTuple

from authz.server.h2.faults import Code, ConnectionFault
from authz.server.h2.grpc import Call

REMEMBERED = 256  # streams that we reset, or that were left out: the client may still be writing to a few


class Stream:
    """One call. Plain slots, for one is made for each."""

    __slots__ = (
        "body",
        "call",
        "credit",
        "held_s",
        "id",
        "opened_s",
        "received_bytes",
        "tail",
        "unsent",
        "whole",
    )

    def __init__(self, stream_id: int, call: Call, now: float) -> None:
        self.id = stream_id
        self.call = call
        self.opened_s = now
        self.body: bytes | bytearray = b""  # what has come of it
        self.received_bytes = 0
        self.whole = False  # the request is: half-closed (remote)
        self.credit = 0  # WINDOW_UPDATEs less DATA sent; the window is this and SETTINGS' initial one
        self.unsent = b""  # what the windows hold back
        self.tail: bytes | None = None  # trailers to send after it; empty if there are none
        self.held_s: float | None = None  # since when it is held back


class Asked(NamedTuple):
    """A request in full: an event."""

    stream_id: int
    call: Call
    body: bytes
    opened_s: float


class TooLong(NamedTuple):
    """A request whose body is longer than any may be: an event."""

    stream_id: int


class Ended(NamedTuple):
    """Nobody waits for this answer any more: an event."""

    stream_id: int


Event = Asked | TooLong | Ended


class Streams:
    """By id. `last` is the highest that the client has opened."""

    def __init__(self) -> None:
        self.live: dict[int, Stream] = {}
        self.last = 0
        self._skipped: deque[range] = deque(maxlen=REMEMBERED)
        self._forsaken: deque[int] = deque(maxlen=REMEMBERED)

    def admit(self, stream_id: int) -> None:
        """A client opens odd ids in rising order (RFC 9113 5.1.1)."""
        if not stream_id & 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "a client's streams are odd")
        if stream_id <= self.last:
            closed = not any(stream_id in ids for ids in self._skipped)
            raise ConnectionFault(
                Code.STREAM_CLOSED if closed else Code.PROTOCOL_ERROR, "streams are opened in rising order"
            )
        if stream_id != self.last + 2 and stream_id != 1:
            self._skipped.append(range(self.last + 1, stream_id))
        self.last = stream_id

    def idle(self, stream_id: int) -> bool:
        """Neither opened nor passed over."""
        return stream_id > self.last or not stream_id & 1

    def forsake(self, stream_id: int) -> None:
        """We ended it, and what still comes for it is no mistake."""
        self._forsaken.append(stream_id)

    def forsaken(self, stream_id: int) -> bool:
        """Whether that was so."""
        return stream_id in self._forsaken
