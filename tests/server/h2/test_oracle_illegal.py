"""Random illegal traffic among the legal, with the `h2` library as the client and the judge.

What breaks a stream ends that stream, with the code that RFC 9113 names, and every other call is answered as
if nothing had been; what breaks the connection ends it, and nothing is answered after that.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import h2.config
import h2.connection
import h2.events
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from authz.server.h2 import grpc
from authz.server.h2.connection import Connection
from authz.server.h2.faults import Cause, Code
from authz.server.h2.limits import LIMITS, WINDOW_MAX_BYTES, Budget
from tests.server.h2 import wire
from tests.server.h2.test_oracle import Received, Traffic

PROTOCOL, FLOW, CLOSED, SIZE = (
    Code.PROTOCOL_ERROR,
    Code.FLOW_CONTROL_ERROR,
    Code.STREAM_CLOSED,
    Code.FRAME_SIZE_ERROR,
)
FIELD = grpc.block([("x-end", "1")])
PSEUDO = grpc.block([(":path", "/")])
PART = b"x" * 16_384

Act = Callable[[int], bytes]

# For a stream whose request is not whole: RFC 9113 8.1, 8.1.1, 6.9.1.
OPEN: list[tuple[Act, Code]] = [
    (lambda n: wire.headers(n, FIELD, "END_HEADERS"), PROTOCOL),
    (lambda n: wire.headers(n, PSEUDO, "END_HEADERS", "END_STREAM"), PROTOCOL),
    (lambda n: wire.data(n, PART) * (LIMITS.stream_window_bytes // len(PART) + 1), FLOW),
]
# For one that waits for its answer: RFC 9113 5.1, half-closed (remote).
WAITING: list[tuple[Act, Code]] = [
    (lambda n: wire.data(n, b"x"), CLOSED),
    (lambda n: wire.data(n, b"x", "END_STREAM"), CLOSED),
    (lambda n: wire.headers(n, FIELD, "END_HEADERS", "END_STREAM"), CLOSED),
]
# For either: RFC 9113 6.9 and 6.9.1.
LIVE: list[tuple[Act, Code]] = [
    (lambda n: wire.window_update(n, 0), PROTOCOL),
    (lambda n: wire.window_update(n, WINDOW_MAX_BYTES) * 2, FLOW),
]
# Requests that are malformed: RFC 9113 8.2 and 8.3.
MALFORMED = [
    [*wire.REQUEST, ("X-A", "a")],
    [*wire.REQUEST, ("connection", "close")],
    [*wire.REQUEST, ("te", "gzip")],
    [*wire.REQUEST, (":path", "/")],
    [("x-a", "a"), *wire.REQUEST],
    [*wire.REQUEST, ("x-a", "a\nb")],
    [*wire.REQUEST, ("content-length", "x")],
    wire.REQUEST[1:],
]
# For the connection; the number is that of a stream which nobody has opened.
FATAL: list[tuple[Act, Code]] = [
    (lambda n: wire.data(n, b"x"), PROTOCOL),
    (wire.reset, PROTOCOL),
    (lambda n: wire.window_update(n, 1), PROTOCOL),
    (lambda _: wire.window_update(0, 0), PROTOCOL),
    (lambda _: wire.window_update(0, WINDOW_MAX_BYTES) * 2, FLOW),
    (lambda n: wire.headers(n + 1, FIELD, "END_HEADERS"), PROTOCOL),
    (lambda n: wire.headers(n, b"\x80", "END_HEADERS"), Code.COMPRESSION_ERROR),
    (lambda n: wire.headers(n, b"\x82") + wire.ping(), PROTOCOL),
    (lambda n: wire.headers(n, b"\x82") + wire.continuation(n + 2, b"", "END_HEADERS"), PROTOCOL),
    (lambda n: wire.continuation(n, b"", "END_HEADERS"), PROTOCOL),
    (lambda n: wire.raw(0, 0, n, PART + b"x"), SIZE),
    (lambda _: wire.raw(4, 0, 0, b"\0\4\x80\0\0\0"), FLOW),
    (lambda _: wire.raw(4, 0, 0, b"\0\2\0\0\0\2"), PROTOCOL),
    (lambda _: wire.raw(4, 0, 0, b"\0\5\0\0\0\1"), PROTOCOL),
    (lambda _: wire.raw(4, 0, 0, b"\0"), SIZE),
    (lambda n: wire.raw(5, 4, n, b"\0\0\0\2"), PROTOCOL),
    (lambda _: wire.raw(6, 0, 0, b"short"), SIZE),
    (lambda n: wire.raw(7, 0, n, b"\0" * 8), PROTOCOL),
]


class Unruly(Traffic):
    """Legal steps, and steps that are not."""

    def __init__(self) -> None:
        super().__init__()
        config = h2.config.H2Configuration(
            header_encoding="utf-8", validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.client = h2.connection.H2Connection(config)
        self.server = Connection(replace(LIMITS, settings=Budget(100, 0)), 0.0, self.refused.append)
        self.resets: dict[int, int] = {}
        self.ended: int | None = None
        self.fatal: tuple[Act, Code] | None = None
        self.soon = False

    @initialize(fatal=st.sampled_from(FATAL), soon=st.booleans())
    def choose(self, fatal: tuple[Act, Code], soon: bool) -> None:
        self.fatal, self.soon = fatal, soon

    @precondition(lambda self: self.open)
    @rule(choice=st.randoms(use_true_random=False), wrong=st.sampled_from([*OPEN, *LIVE]))
    def break_one_that_is_open(self, choice: Any, wrong: tuple[Act, Code]) -> None:
        self.exchange()
        self.break_stream(choice.choice(sorted(self.open)), *wrong)

    @precondition(lambda self: self.waiting)
    @rule(choice=st.randoms(use_true_random=False), wrong=st.sampled_from([*WAITING, *LIVE]))
    def break_one_that_waits(self, choice: Any, wrong: tuple[Act, Code]) -> None:
        self.exchange()
        if self.waiting:
            self.break_stream(choice.choice(sorted(self.waiting)), *wrong)

    @rule(fields=st.sampled_from(MALFORMED), ending=st.booleans())
    def ask_for_nothing(self, fields: list[tuple[str, str]], ending: bool) -> None:
        self.exchange()
        stream_id = self.client.get_next_available_stream_id()
        self.client.send_headers(stream_id, fields, end_stream=ending)
        self.calls[stream_id] = Received()
        self.exchange()
        self.was_reset(stream_id, PROTOCOL)

    @invariant()
    def nothing_was_refused(self) -> None:
        """But for what broke the protocol."""
        assert set(self.refused) <= {Cause.PROTOCOL}

    def teardown(self) -> None:
        """Sooner or later the connection is broken."""
        if not self.soon:
            super().teardown()
        if self.fatal and self.updates:  # it has been greeted
            self.exchange()
            self.break_connection(*self.fatal)

    def break_connection(self, act: Act, code: Code) -> None:
        self.to_server(act(self.client.get_next_available_stream_id() + 100))
        for stream_id in self.calls:
            self.server.answer(stream_id, grpc.HEAD, grpc.framed(b"too late"), grpc.OK)
        self.to_client(self.server.take())
        assert (self.ended, self.server.ended) == (code, True)
        assert self.server.receive(wire.ping(), 0.0) == []
        assert self.server.take() == b""

    def break_stream(self, stream_id: int, act: Act, code: Code) -> None:
        self.to_server(act(stream_id))
        self.to_client(self.server.take())
        self.was_reset(stream_id, code)

    def was_reset(self, stream_id: int, code: Code) -> None:
        assert self.resets.get(stream_id) == code
        self.open.pop(stream_id, None)
        self.waiting.pop(stream_id, None)
        self.calls.pop(stream_id, None)

    def received(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ConnectionTerminated(error_code=code):
                assert self.ended is None
                self.ended = int(code or 0)
            case h2.events.StreamReset(stream_id=stream_id, error_code=code):
                self.resets[stream_id] = int(code or 0)
            case h2.events.DataReceived() if self.ended is not None:
                raise AssertionError("an answer after the end")
            case _:
                super().received(event)


TestUnruly = Unruly.TestCase
TestUnruly.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
