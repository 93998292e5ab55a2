"""What a hostile client may try, with what it gets: the limit, its error code, and its count."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from authz.server.h2 import grpc
from authz.server.h2.faults import Cause, Code
from authz.server.h2.frames import PREFACE
from authz.server.h2.headers import Headers
from authz.server.h2.limits import LIMITS, Budget
from tests.server.h2 import wire
from tests.server.h2.wire import HEAD, REQUEST, TAIL, Peer

DOCUMENT = Path(__file__).parents[3] / "docs" / "transport.md"
FEW = Budget(10, 0)
CALM = Code.ENHANCE_YOUR_CALM
NONE_UNSENT = replace(LIMITS, unsent_max_bytes=1_000)


def rapid_reset(peer: Peer, number: int) -> bytes:
    return b"".join(peer.request(2 * n + 1) + wire.reset(2 * n + 1) for n in range(number))


def made_you_reset(peer: Peer, number: int) -> bytes:
    """CVE-2025-8671: the client has us reset its streams."""
    return b"".join(peer.request(2 * n + 1) + wire.window_update(2 * n + 1, 0) for n in range(number))


def refused_at_once(peer: Peer) -> bytes:
    """A stream that we end, so that what still comes for it is no mistake."""
    peer.send(peer.headers(1, [*REQUEST, ("X-A", "upper case")]))
    return b""


FLOODS = [
    ("resets", Cause.RESETS, rapid_reset),
    ("resets", Cause.RESETS, made_you_reset),
    ("settings", Cause.SETTINGS, lambda _, n: wire.settings() * n),
    ("pings", Cause.PINGS, lambda _, n: wire.ping() * n),
    ("empty_data", Cause.EMPTY_DATA, lambda peer, n: peer.headers(1) + wire.data(1, b"") * n),
    ("empty_data", Cause.EMPTY_DATA, lambda peer, n: refused_at_once(peer) + wire.data(1, b"") * n),
    ("pieces", Cause.PIECES, lambda peer, n: peer.headers(1) + wire.data(1, b"xy") * n),
    ("windows", Cause.WINDOWS, lambda _, n: wire.window_update(0, 1) * n),
    ("noise", Cause.NOISE, lambda _, n: wire.raw(2, 0, 1, b"\0\0\0\3\0") * n),
    ("noise", Cause.NOISE, lambda _, n: wire.raw(99, 0, 0, b"?") * n),
    ("noise", Cause.NOISE, lambda _, n: wire.ping(b"12345678", "ACK") * n),
    ("noise", Cause.NOISE, lambda _, n: wire.raw(7, 0, 0, bytes(8)) * n),
    ("noise", Cause.NOISE, lambda peer, n: peer.request(1) + wire.reset(1) * (n + 1)),
    ("noise", Cause.NOISE, lambda _, n: wire.raw(4, 1, 0, b"") * n),
]


@pytest.mark.parametrize(("budget", "cause", "flood"), FLOODS)
def test_a_flood_ends_the_connection(budget, cause, flood):
    limits = replace(LIMITS, **dict[str, Any]({budget: FEW}))
    within = Peer(limits)
    within.send(flood(within, 9))
    assert within.goaway() is None
    beyond = Peer(limits)
    beyond.send(flood(beyond, 12))
    assert beyond.goaway() == CALM
    assert beyond.refused[cause] > 0


@pytest.mark.parametrize(
    "budget", ["pings", "settings", "noise", "empty_data", "resets", "windows", "pieces"]
)
def test_every_budget_of_the_defaults_has_an_end(budget):
    flood = {row[0]: row[2] for row in FLOODS}[budget]
    peer = Peer()
    peer.send(flood(peer, getattr(LIMITS, budget).burst + 2))
    assert peer.goaway() == CALM


def test_pings_that_come_with_calls_are_borne():
    """What grpc-go does to measure its bandwidth."""
    peer = Peer(replace(LIMITS, pings=Budget(10, 0, per_call=1)))
    for number in range(100):
        peer.send(peer.request(2 * number + 1) + wire.ping())
        peer.connection.answer(2 * number + 1, HEAD, b"", TAIL)
    assert peer.goaway() is None


def test_a_budget_fills_with_no_call_twice():
    peer = Peer(replace(LIMITS, pings=Budget(10, 0, per_call=1)))
    peer.send(b"".join(peer.request(2 * number + 1) + wire.ping() for number in range(50)))
    assert peer.goaway() is None
    peer.send(wire.ping() * 11)
    assert peer.goaway() == CALM


def test_a_budget_fills_with_time():
    peer = Peer(replace(LIMITS, pings=Budget(10, 1)))
    for _ in range(100):
        peer.now += 1
        peer.send(wire.ping())
    assert peer.goaway() is None


def test_calls_reset_in_the_read_that_brings_them_are_not_waited_for():
    peer = Peer()
    peer.send(rapid_reset(peer, 5))
    assert [peer.connection.waits(stream_id) for stream_id, _ in peer.asked] == [False] * 5


@pytest.mark.parametrize("piece", [b"", b"\x82", b"\x00\x01a\x01b" * 1000])
def test_a_header_block_does_not_go_on_for_ever(piece):
    peer = Peer()
    peer.send(wire.headers(1, b"") + wire.continuation(1, piece) * (LIMITS.continuations_max + 1))
    assert peer.goaway() == CALM
    assert peer.refused == {Cause.CONTINUATIONS: 1}


def test_the_memory_of_header_blocks_is_bounded():
    remembering = Headers(replace(LIMITS, memo_blocks=3, memo_block_max_bytes=200), grpc.call)
    for number in [*range(20), "x" * 200]:
        remembering.request(grpc.block([*REQUEST, ("x-number", str(number))]))
        assert len(remembering._memo) <= 3
    assert sum(map(len, remembering._memo)) <= 3 * 200


def test_a_header_block_of_many_frames_is_bounded_in_bytes():
    peer = Peer()
    peer.send(wire.headers(1, b"\x00\x01a\x01b" * 3000) + wire.continuation(1, b"\x00\x01a\x01b" * 1000))
    assert peer.goaway() == CALM


def test_an_hpack_bomb_is_not_unpacked():
    """One entry of 4,000 bytes in the table, and 16,000 references to it, one byte each."""
    peer = Peer()
    entry = b"\x40\x01a" + b"\x7f" + bytes([0x80 | (3900 - 127) & 0x7F, (3900 - 127) >> 7]) + b"v" * 3900
    peer.send(wire.headers(1, entry + b"\xbe" * 10_000, "END_HEADERS"))
    assert peer.goaway() == CALM
    assert peer.refused == {Cause.HEADERS: 1}


@pytest.mark.parametrize(
    "block",
    [
        b"\x3f\xff\xff\xff\x07",  # a table larger than was offered
        b"\x3f\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # a number without end
        b"\x20\x3f\x01\x3f\xe1\x1f\x82",  # three sizes, of which two can be needed
        b"\x20" * 16_000,
        b"\x82\x20",  # a size update that is not at the start
        b"\x80",  # index 0
        b"\xff\xff\x7f",  # an index that is not there
        b"\x00\x05ab",  # cut short
        b"\x00\x81\xff\x00",  # padding of Huffman's that is none
    ],
)
def test_a_block_that_is_not_hpack(block):
    peer = Peer()
    peer.send(wire.headers(1, block, "END_HEADERS"))
    assert peer.goaway() == Code.COMPRESSION_ERROR


def test_games_with_the_table_change_no_request():
    """Resized and refilled between equal blocks, the same bytes mean other fields, and are read anew."""
    peer = Peer()
    first = peer.encoder.encode(REQUEST)
    peer.send(wire.headers(1, first, "END_HEADERS", "END_STREAM"))
    again = peer.encoder.encode(REQUEST)
    peer.send(wire.headers(3, again, "END_HEADERS", "END_STREAM"))
    peer.send(wire.headers(5, again, "END_HEADERS", "END_STREAM"))
    assert peer.paths == {wire.PATH.encode()}
    # An entry added in front: what was the first entry's index is now this one's.
    peer.send(wire.headers(7, b"\x40\x05:path\x02/x" + again, "END_HEADERS", "END_STREAM"))
    peer.send(wire.headers(9, again, "END_HEADERS", "END_STREAM"))
    assert peer.paths == {wire.PATH.encode()}
    assert {stream_id for stream_id, _ in peer.resets()} == {7, 9}
    peer.send(wire.headers(11, b"\x20" + again, "END_HEADERS", "END_STREAM"))
    assert peer.goaway() == Code.COMPRESSION_ERROR


def test_a_block_that_fills_the_table_is_read_as_often_as_it_comes():
    """Else the table of the client and ours are two, and all that follows means other fields."""
    peer = Peer()
    filling = peer.encoder.encode(REQUEST)
    for stream_id in (1, 3):
        peer.send(wire.headers(stream_id, filling, "END_HEADERS", "END_STREAM"))
    older = b"\x83\x86" + bytes([0x80 | 69, 0x80 | 68, 0x80 | 67, 0x80 | 66])
    peer.send(wire.headers(5, older, "END_HEADERS", "END_STREAM"))
    assert [stream_id for stream_id, _ in peer.asked] == [1, 3, 5]
    assert peer.paths == {wire.PATH.encode()}


def test_what_comes_late_for_a_stream_that_we_ended_is_read_for_the_table():
    peer = Peer()
    peer.send(peer.request(1) + peer.headers(3))
    peer.connection.refuse(3, HEAD)
    peer.send(peer.headers(3, [("x-late", "trailer")], "END_STREAM"))
    peer.send(peer.request(5))
    assert [stream_id for stream_id, _ in peer.asked] == [1, 5]
    assert peer.paths == {wire.PATH.encode()}


def test_answers_that_are_not_taken_are_bounded_in_bytes():
    peer = Peer(NONE_UNSENT)
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=0))
    for number in range(3):
        peer.send(peer.request(2 * number + 1))
        peer.connection.answer(2 * number + 1, HEAD, b"x" * 400, TAIL)
    peer.read()
    assert peer.goaway() == CALM
    assert peer.refused == {Cause.UNSENT: 1}


def test_answers_that_are_not_taken_are_bounded_in_time():
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=0) + peer.request(1))
    peer.connection.answer(1, HEAD, b"x", TAIL)
    peer.tick(1)
    peer.tick(LIMITS.unsent_s - 1)
    assert peer.resets() == []
    peer.tick(2)
    assert peer.resets() == [(1, Code.CANCEL)]
    assert peer.refused == {Cause.UNSENT: 1}


@pytest.mark.parametrize("sent", [b"", PREFACE[:10], PREFACE])
def test_a_slow_preface(sent):
    peer = Peer(greet=False)
    peer.send(sent)
    peer.tick(LIMITS.preface_s)
    assert peer.goaway() is None
    peer.tick(1)
    assert peer.goaway() == Code.SETTINGS_TIMEOUT
    assert peer.refused == {Cause.PREFACE: 1}


def test_a_slow_body_ends_its_stream():
    peer = Peer()
    peer.send(peer.headers(1) + wire.data(1, b"x"))
    peer.tick(LIMITS.body_s)
    assert peer.resets() == []
    peer.tick(1)
    assert peer.resets() == [(1, Code.CANCEL)]
    assert peer.refused == {Cause.BODY: 1}
    peer.send(wire.data(1, b"y", "END_STREAM") + peer.request(3))
    assert [stream_id for stream_id, _ in peer.asked] == [3]
    assert peer.goaway() is None, "what was under way then is no mistake"


def test_a_slow_header_block():
    peer = Peer()
    peer.send(wire.headers(1, b"\x82"))
    peer.tick(LIMITS.body_s)
    assert peer.goaway() is None
    peer.tick(1)
    assert peer.goaway() == CALM


def test_too_many_streams_are_refused_and_may_be_tried_again():
    peer = Peer(replace(LIMITS, streams_max=2))
    peer.send(b"".join(peer.request(stream_id) for stream_id in (1, 3, 5)))
    assert peer.resets() == [(5, Code.REFUSED_STREAM)]
    assert peer.refused == {Cause.STREAMS: 1}
    peer.connection.answer(1, HEAD, b"", TAIL)
    peer.send(peer.request(7))
    assert [stream_id for stream_id, _ in peer.asked] == [1, 3, 7]


def test_requests_not_answered_are_bounded_together():
    """Whole or not: while a source is slow, those that wait for it are held in full."""
    peer = Peer(replace(LIMITS, buffered_max_bytes=25))
    peer.send(peer.request(1, b"x" * 10) + peer.headers(3) + wire.data(3, b"x" * 10))
    peer.send(peer.headers(5) + wire.data(5, b"x" * 10))
    assert peer.resets() == [(5, Code.REFUSED_STREAM)]
    assert peer.refused == {Cause.BUFFERED: 1}
    peer.connection.answer(1, HEAD, b"", TAIL)
    peer.send(peer.headers(7) + wire.data(7, b"x" * 10) + wire.reset(7) + peer.request(9, b"x" * 10))
    assert len(peer.resets()) == 1, "what is answered or reset counts no more"


def test_a_silent_client_is_asked_and_then_given_up():
    peer = Peer()
    peer.tick(LIMITS.silence_s)
    assert peer.frames == []
    peer.tick(1)
    peer.tick(1)
    assert len(peer.frames) == 1
    peer.send(wire.ping(b"anyone ?", "ACK"))
    peer.tick(LIMITS.silence_s + 1)
    assert peer.goaway() is None
    peer.tick(LIMITS.pong_s)
    assert peer.goaway() == Code.NO_ERROR
    assert peer.refused == {Cause.SILENT: 1}


def test_one_byte_at_a_time_is_as_good_as_all_at_once():
    peer = Peer(greet=False)
    for byte in PREFACE + wire.settings() + peer.request(1, b"body"):
        peer.send(bytes([byte]))
    assert peer.asked == [(1, b"body")]


@pytest.mark.parametrize(
    "sent", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", PREFACE[:-1] + b"x"]
)
def test_another_protocol_is_told_so(sent):
    peer = Peer(greet=False)
    peer.send(sent)
    assert peer.goaway() == Code.PROTOCOL_ERROR


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_told(cause):
    assert f"`{cause}`" in DOCUMENT.read_text()
