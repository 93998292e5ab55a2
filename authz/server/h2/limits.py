"""Every limit of the transport, with its unit and its reason, in one value.

Whoever speaks to this port is an Envoy of ours, or should be: limits are wide for it and end for others.
"""

from dataclasses import dataclass, field
from math import inf

FRAME_MAX_BYTES = 1 << 14  # RFC 9113 6.5.2: what every peer may send; larger frames would gain nothing
WINDOW_START_BYTES = (1 << 16) - 1  # RFC 9113 6.9.2: before any SETTINGS
WINDOW_MAX_BYTES = (1 << 31) - 1  # RFC 9113 6.9.1
TABLE_BYTES = 1 << 12  # RFC 9113 6.5.2: HPACK's dynamic table, as it is before any SETTINGS
PIECE_BYTES = 1 << 8  # DATA shorter than this is counted, unless it ends a request
PREFIX_BYTES = 5  # gRPC's own, before each message


@dataclass(frozen=True, slots=True)
class Budget:
    """How many are borne at once, how many more for each second, and for each call."""

    burst: int
    per_s: float
    per_call: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Per connection, unless a name says otherwise."""

    # Sizes
    message_max_bytes: int = 1 << 20  # headers are at most 60 KiB; the rest is room for a configured body
    block_max_bytes: int = 1 << 14  # of a header block as it travels: gRPC's own hard limit for metadata
    list_max_bytes: int = 1 << 14  # the same once decoded, by RFC 9113 6.5.2's count: stops HPACK bombs
    memo_blocks: int = 64  # header blocks remembered; Envoy's are one per cluster and route
    memo_block_max_bytes: int = 1 << 10  # Envoy's are some 100 bytes once the table is warm
    window_bytes: int = 1 << 23  # for all streams: eight of the largest messages under way
    buffered_max_bytes: int = 1 << 25  # of requests not yet answered: 10,000 of 3 kB may wait for an issuer
    unsent_max_bytes: int = 1 << 22  # of answers that the client's windows hold back: 10,000 and more
    write_buffer_bytes: int = (
        1 << 18
    )  # beyond what the kernel takes, before we stop reading: one read's answers

    # Numbers
    streams_max: int = 10_000  # at once, as grpcio's server has it here
    continuations_max: int = 4  # per header block: one full frame holds a whole one already
    watches_max: int = 100  # of health: a client needs one for each service that it asks about
    connections_max: int = 1_000  # of the server: some 16 kB each, and no mesh has as many gateways

    # Times
    preface_s: float = 10.0  # to the client's SETTINGS: one round trip, with room for a lost packet
    body_s: float = 10.0  # from a request's HEADERS to its END_STREAM
    unsent_s: float = 20.0  # that an answer waits for the client's window; any call is over by then
    stalled_s: float = 20.0  # that a client reads nothing while we have something to say
    silence_s: float = 60.0  # until we ask a silent client, by PING, if it is still there
    pong_s: float = 20.0  # for it to answer; gRPC's own keepalive time-out
    idle_s: float = 3600.0  # without a call; Envoy closes its own connections after as long
    age_s: float = inf  # until it is drained, so that long-lived connections spread over replicas
    age_jitter: float = 0.1  # of the age, either way, so that not all drain at once (as grpc-go has it)
    goaway_s: float = 1.0  # from the first GOAWAY to the last, if the PING between is not answered
    drain_s: float = 10.0  # for what is in flight; longer than any check may take
    linger_s: float = 1.0  # from our FIN to closing: the client reads the last answers and closes

    # Budgets
    resets: Budget = field(default=Budget(10_000, 1_000))  # all in flight given up at once, as time-outs do
    settings: Budget = field(default=Budget(10, 1))  # Envoy sends one in a connection's life
    pings: Budget = field(default=Budget(100, 10, 1))  # grpc-go measures bandwidth with one per round trip
    empty_data: Budget = field(default=Budget(100, 10, 1))  # some clients end a request so
    pieces: Budget = field(default=Budget(2_000, 200, 10))  # senders cut where a frame or a window is full
    windows: Budget = field(default=Budget(1_000, 100, 10))  # Envoy bears ten for each frame of DATA
    noise: Budget = field(default=Budget(1_000, 100, 1))  # PRIORITY, and kinds of frame unknown to us

    @property
    def body_max_bytes(self) -> int:
        """Of a request's DATA."""
        return self.message_max_bytes + PREFIX_BYTES

    @property
    def stream_window_bytes(self) -> int:
        """A body and one byte more, by which one that is too long is known. So it is never widened."""
        return self.body_max_bytes + 1


LIMITS = Limits()
