"""What a client can do wrong, as RFC 9113 names it and as we count it.

Raised while bytes are read and caught in one place, `Connection`; no fault ever leaves it.
"""

from enum import IntEnum, StrEnum


class Code(IntEnum):
    """RFC 9113 7."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    SETTINGS_TIMEOUT = 4
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    CONNECT_ERROR = 10
    ENHANCE_YOUR_CALM = 11
    INADEQUATE_SECURITY = 12
    HTTP_1_1_REQUIRED = 13


class Cause(StrEnum):
    """Why something was refused: the label of `authz_h2_refused_total`."""

    PROTOCOL = "protocol"  # RFC 9113 was broken, and a stream or the connection ended for it
    RESETS = "resets"
    SETTINGS = "settings"
    PINGS = "pings"
    EMPTY_DATA = "empty_data"
    PIECES = "pieces"  # DATA next to empty
    WINDOWS = "windows"  # WINDOW_UPDATEs, each of them perhaps by one
    NOISE = "noise"  # frames that mean nothing to us
    CONTINUATIONS = "continuations"
    HEADERS = "headers"  # too long once decoded
    STREAMS = "streams"
    WATCHES = "watches"
    MESSAGE = "message"  # too long
    BUFFERED = "buffered"  # too much of requests that are not answered
    UNSENT = "unsent"  # answers that the client does not take
    PREFACE = "preface"  # slow
    BODY = "body"  # slow
    SILENT = "silent"  # the far end is gone
    DRAIN = "drain"  # still in flight when the time for draining was up
    STALLED = "stalled"  # the client does not read
    CONNECTIONS = "connections"
    ALPN = "alpn"
    CLIENT = "client"  # its certificate bears no name on the list
    LATE = "late"  # the call's deadline had passed when it arrived in full


class ConnectionFault(Exception):
    """The connection ends with GOAWAY."""

    def __init__(self, code: Code, text: str, cause: Cause = Cause.PROTOCOL) -> None:
        super().__init__(text)
        self.code = code
        self.cause = cause


class StreamFault(Exception):
    """One stream ends with RST_STREAM."""

    def __init__(self, stream_id: int, code: Code, cause: Cause = Cause.PROTOCOL) -> None:
        super().__init__(f"stream {stream_id}: {code.name}")
        self.stream_id = stream_id
        self.code = code
        self.cause = cause
