"""What goes out, within the windows that the client gives (RFC 9113 5.2).

It holds back what may not go yet and never more than a limit; the bytes are taken once per read.
"""

from authz.server.h2 import frames
from authz.server.h2.faults import Code, ConnectionFault, StreamFault
from authz.server.h2.frames import END_HEADERS, END_STREAM, Kind, pack_head
from authz.server.h2.limits import FRAME_MAX_BYTES, WINDOW_MAX_BYTES, WINDOW_START_BYTES
from authz.server.h2.streams import Stream

_DATA = int(Kind.DATA)
_HEADERS = int(Kind.HEADERS)
_ENDING = END_HEADERS | END_STREAM

_TABLE_EMPTIED = b"\x20"  # RFC 7541 6.3: a dynamic table of size 0, which is all that we need


class Sending:
    """`window` is the connection's, `initial_window` is as the client's SETTINGS say."""

    def __init__(self) -> None:
        self.window = WINDOW_START_BYTES
        self.initial_window = WINDOW_START_BYTES
        self.unsent_bytes = 0
        self.held: dict[int, Stream] = {}
        self._queue: dict[int, Stream] = {}  # of those held, whose own window is open
        self._out: list[bytes] = []
        self._owed = b""
        self._emptied = False

    def take(self) -> bytes:
        """All that is to be written now."""
        out, self._out = self._out, []
        return b"".join(out)

    def put(self, frame: bytes) -> None:
        """A frame that no window holds back."""
        self._out.append(frame)

    def shrink_table(self) -> None:
        """The client wants a smaller dynamic table, and to be told (RFC 7541 4.2); told once, it is empty."""
        if not self._emptied:
            self._emptied = True
            self._owed = _TABLE_EMPTIED

    def answer(self, stream: Stream, head: bytes, body: bytes, tail: bytes) -> bool:
        """A whole answer: three frames if the windows allow. Whether all of it has gone."""
        size = len(body)
        if (
            self._owed
            or size > self.window
            or size > self.initial_window + stream.credit
            or size > FRAME_MAX_BYTES
        ):
            self.begin(stream, head)
            self.more(stream, body)
            return self.finish(stream, tail)
        self.window -= size
        self._out += (
            pack_head(len(head) << 8 | _HEADERS, END_HEADERS, stream.id),
            head,
            pack_head(size << 8 | _DATA, 0, stream.id),
            body,
            pack_head(len(tail) << 8 | _HEADERS, _ENDING, stream.id),
            tail,
        )
        return True

    def plain(self, stream: Stream, head: bytes, text: bytes) -> bool:
        """An answer without trailers, and without a body if there is no text."""
        if not text:
            self._headers(stream, head, _ENDING)
            return True
        self.begin(stream, head)
        stream.tail = b""
        return self.more(stream, text)

    def begin(self, stream: Stream, head: bytes) -> None:
        """The head of an answer; `more` and `finish` follow."""
        self._headers(stream, head, END_HEADERS)

    def more(self, stream: Stream, body: bytes) -> bool:
        """Some of its body."""
        stream.unsent += body
        self.unsent_bytes += len(body)
        return self.pump(stream)

    def finish(self, stream: Stream, tail: bytes) -> bool:
        """Its trailers, once the body has gone. Whether all has."""
        stream.tail = tail
        return self.pump(stream)

    def pump(self, stream: Stream) -> bool:
        """Send as much of what is held back as may go. Whether the answer is complete."""
        while stream.unsent:
            own = self.initial_window + stream.credit
            room = min(self.window, own, FRAME_MAX_BYTES)
            if room <= 0:
                self._hold(stream, own)
                return False
            self._data(stream, stream.unsent[:room])
        self._release(stream)
        if stream.tail:
            self._headers(stream, stream.tail, _ENDING)
        return stream.tail is not None

    def next(self) -> Stream | None:
        """One that waits for the connection's window, if that is open."""
        return next(iter(self._queue.values()), None) if self.window > 0 else None

    def forget(self, stream: Stream) -> None:
        """It has ended; what is held back for it will never go."""
        self.unsent_bytes -= len(stream.unsent)
        self._release(stream)

    def widen(self, size: int) -> None:
        """WINDOW_UPDATE of the connection."""
        self.window += size
        if self.window > WINDOW_MAX_BYTES:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "the connection's window is too wide")

    def widen_stream(self, stream: Stream, size: int) -> None:
        """WINDOW_UPDATE of a stream."""
        stream.credit += size
        if self.initial_window + stream.credit > WINDOW_MAX_BYTES:
            raise StreamFault(stream.id, Code.FLOW_CONTROL_ERROR)

    def _hold(self, stream: Stream, own: int) -> None:
        self.held[stream.id] = stream
        if own > 0:
            self._queue[stream.id] = stream
        else:
            self._queue.pop(stream.id, None)

    def _release(self, stream: Stream) -> None:
        self.held.pop(stream.id, None)
        self._queue.pop(stream.id, None)

    def _data(self, stream: Stream, payload: bytes) -> None:
        size = len(payload)
        self.window -= size
        self.unsent_bytes -= size
        stream.credit -= size
        stream.unsent = stream.unsent[size:]
        last = not stream.unsent and stream.tail == b""
        self._out.append(frames.frame(_DATA, END_STREAM if last else 0, stream.id, payload))

    def _headers(self, stream: Stream, block: bytes, flags: int) -> None:
        self._out.append(frames.frame(_HEADERS, flags, stream.id, self._owed + block))
        self._owed = b""
