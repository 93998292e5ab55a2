"""Random traffic, legal and not, with the `h2` library as the client and the judge of what comes back.

Whatever is asked, split and held back, each call gets the answer that belongs to it; a client that breaks
the protocol gets the error that the RFC names, and no other call is answered wrongly.
"""

from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from authz.server.h2 import grpc
from authz.server.h2.connection import Connection
from authz.server.h2.faults import Cause
from authz.server.h2.limits import LIMITS
from authz.server.h2.streams import Asked
from tests.server.h2 import wire

SIZES = st.sampled_from([0, 1, 5, 100, 1_000, 16_384, 16_385, 70_000])


# There is no draining here: to `h2` a GOAWAY closes the connection at once.


def answer_to(message: bytes) -> bytes:
    """Another length than the question's, and known from it."""
    return message[::-1] * (1 + len(message) % 3)


@dataclass
class Received:
    """What the client knows of one call."""

    sent: bytes = b""
    body: bytearray = field(default_factory=bytearray)
    trailers: Any = None
    ended: bool = False


class Traffic(RuleBasedStateMachine):
    """Steps that a client may take, in any order."""

    def __init__(self) -> None:
        super().__init__()
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        self.client = h2.connection.H2Connection(config)
        self.refused: list[Cause] = []
        self.server = Connection(LIMITS, 0.0, self.refused.append)
        self.updates = 0
        self.calls: dict[int, Received] = {}
        self.open: dict[int, bytes] = {}  # streams whose request is not whole, with what is left to send
        self.waiting: dict[int, bytes] = {}  # asked, and not answered yet

    @initialize(window=st.sampled_from([0, 1, 100, 65_535]), table=st.sampled_from([0, 100, 4096, 9999]))
    def greet(self, window: int, table: int) -> None:
        self.client.initiate_connection()
        self.exchange()
        self.update({4: window, 1: table})

    @rule(size=SIZES, pieces=st.integers(1, 3), extra=st.sampled_from(["", "x" * 50, "y" * 20_000]))
    def ask(self, size: int, pieces: int, extra: str) -> None:
        """Headers, of any length up to several frames, and some of the body."""
        if len(self.calls) > 30:
            return
        stream_id = self.client.get_next_available_stream_id()
        fields = [*wire.REQUEST, ("x-call", str(stream_id))]
        fields += [("x-extra", extra[:12_000])] if extra else []
        self.client.send_headers(stream_id, fields)
        message = bytes([stream_id % 251]) * size
        self.calls[stream_id] = Received(message)
        self.open[stream_id] = grpc.framed(message)
        for _ in range(pieces):
            self.send_some(stream_id, size // 2 + 5)

    @precondition(lambda self: self.open)
    @rule(
        choice=st.randoms(use_true_random=False),
        size=st.integers(1, 70_000),
        padding=st.sampled_from([None, 0, 9]),
    )
    def go_on(self, choice: Any, size: int, padding: int | None) -> None:
        self.send_some(choice.choice(sorted(self.open)), size, padding)

    @precondition(lambda self: self.open)
    @rule(choice=st.randoms(use_true_random=False), with_trailers=st.booleans())
    def finish(self, choice: Any, with_trailers: bool) -> None:
        stream_id = choice.choice(sorted(self.open))
        while self.open[stream_id]:
            self.send_some(stream_id, 1 << 20)
            self.exchange()
        del self.open[stream_id]
        if with_trailers:
            self.client.send_headers(stream_id, [("x-end", "1")], end_stream=True)
        else:
            self.client.end_stream(stream_id)

    @precondition(lambda self: self.calls)
    @rule(choice=st.randoms(use_true_random=False))
    def give_up(self, choice: Any) -> None:
        stream_id = choice.choice(sorted(self.calls))
        if not self.calls[stream_id].ended:
            self.client.reset_stream(stream_id)
            del self.calls[stream_id]
            self.open.pop(stream_id, None)

    @precondition(lambda self: self.waiting)
    @rule(choice=st.randoms(use_true_random=False))
    def answer(self, choice: Any) -> None:
        stream_id = choice.choice(sorted(self.waiting))
        body = answer_to(self.waiting.pop(stream_id))
        self.server.answer(stream_id, grpc.HEAD, grpc.framed(body), grpc.OK)

    @rule()
    def ping(self) -> None:
        self.client.ping(b"any ping")

    @rule(window=st.sampled_from([0, 1, 20, 1_000, 65_535, 100_000]), frame=st.sampled_from([16_384, 20_000]))
    def change_settings(self, window: int, frame: int) -> None:
        self.update({4: window, 5: frame})

    @rule(table=st.sampled_from([0, 64, 4096]))
    def change_table(self, table: int) -> None:
        self.update({1: table})

    @rule(size=st.sampled_from([1, 10_000, 1_000_000]))
    def widen(self, size: int) -> None:
        self.client.increment_flow_control_window(size)

    @precondition(lambda self: self.calls)
    @rule(choice=st.randoms(use_true_random=False), size=st.sampled_from([1, 100, 100_000]))
    def widen_stream(self, choice: Any, size: int) -> None:
        stream_id = choice.choice(sorted(self.calls))
        if not self.calls[stream_id].ended:
            self.client.increment_flow_control_window(size, stream_id)

    @rule(cuts=st.lists(st.integers(1, 5_000), max_size=5))
    def exchange(self, cuts: list[int] | None = None) -> None:
        """What was written travels both ways, cut anywhere, until nobody has anything to say."""
        while data := self.client.data_to_send():
            for cut in cuts or []:
                self.to_server(data[:cut])
                data = data[cut:]
            self.to_server(data)
            self.to_client(self.server.take())
        self.to_client(self.server.take())

    @invariant()
    def nothing_was_refused(self) -> None:
        assert self.refused == []

    def teardown(self) -> None:
        """Every call that was not given up is answered in the end, rightly."""
        self.exchange()
        for stream_id in sorted(self.open):
            self.finish_now(stream_id)
        self.client.update_settings({4: 1 << 24})
        self.client.increment_flow_control_window(1 << 24)
        self.exchange()
        for stream_id, message in self.waiting.items():
            self.server.answer(stream_id, grpc.HEAD, grpc.framed(answer_to(message)), grpc.OK)
        self.exchange()
        for stream_id, call in self.calls.items():
            assert call.ended, stream_id
            assert bytes(call.body) == grpc.framed(answer_to(call.sent))
            assert ("grpc-status", "0") in call.trailers
        self.nothing_was_refused()

    def finish_now(self, stream_id: int) -> None:
        while self.open[stream_id]:
            self.send_some(stream_id, 1 << 20)
            self.exchange()
        del self.open[stream_id]
        self.client.end_stream(stream_id)
        self.exchange()

    def update(self, values: dict[int, int]) -> None:
        if self.refused or self.settings_spent():
            return
        self.client.update_settings(values)
        self.exchange()

    def settings_spent(self) -> bool:
        """There is a budget for SETTINGS; the client keeps within."""
        self.updates += 1
        return self.updates > LIMITS.settings.burst - 2

    def send_some(self, stream_id: int, size: int, padding: int | None = None) -> None:
        room = self.client.local_flow_control_window(stream_id)
        room = min(room, self.client.max_outbound_frame_size) - 20
        part = self.open[stream_id][: max(0, min(size, room))]
        if part:
            self.open[stream_id] = self.open[stream_id][len(part) :]
            self.client.send_data(stream_id, part, pad_length=padding)

    def to_server(self, data: bytes) -> None:
        for event in self.server.receive(data, 0.0):
            if isinstance(event, Asked):
                self.waiting[event.stream_id] = grpc.message(event.call, event.body)
            else:
                self.waiting.pop(event.stream_id, None)

    def to_client(self, data: bytes) -> None:
        """Frame by frame: `h2` does not apply an acknowledged frame size within one read."""
        while data:
            size = 9 + int.from_bytes(data[:3], "big")
            for event in self.client.receive_data(data[:size]):
                self.received(event)
            data = data[size:]

    def received(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived(stream_id=stream_id, data=body):
                if stream_id in self.calls:
                    self.calls[stream_id].body += body or b""
            case h2.events.TrailersReceived(stream_id=stream_id, headers=headers):
                if stream_id in self.calls:
                    self.calls[stream_id].trailers = headers
            case h2.events.StreamEnded(stream_id=stream_id):
                if stream_id in self.calls:
                    self.calls[stream_id].ended = True
            case h2.events.ConnectionTerminated(error_code=code):
                raise AssertionError(code)
            case h2.events.StreamReset(stream_id=stream_id):
                assert stream_id not in self.calls, "no call of ours is reset"
            case _:
                pass


TestTraffic = Traffic.TestCase
TestTraffic.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
