"""Windows, the table's size, and the end of a connection: what goes out, and when."""

from dataclasses import replace

import hyperframe.frame as hf
import pytest

from authz.server.h2.faults import Cause, Code
from authz.server.h2.limits import LIMITS, TABLE_BYTES, WINDOW_MAX_BYTES
from authz.server.h2.streams import TooLong
from tests.server.h2 import wire
from tests.server.h2.wire import HEAD, TAIL, Peer

FLOW = Code.FLOW_CONTROL_ERROR


def test_a_client_is_told_the_limits_first():
    told, widened = Peer(greet=False).read()
    settings = hf.SettingsFrame
    assert told.settings == {
        settings.ENABLE_PUSH: 0,
        settings.MAX_CONCURRENT_STREAMS: LIMITS.streams_max,
        settings.INITIAL_WINDOW_SIZE: LIMITS.stream_window_bytes,
        settings.MAX_HEADER_LIST_SIZE: LIMITS.list_max_bytes,
    }
    assert (widened.stream_id, widened.window_increment) == (0, LIMITS.window_bytes - 65_535)


def test_a_ping_is_answered_with_what_it_brought():
    (pong,) = Peer().send(wire.ping(b"87654321"))
    assert (pong.opaque_data, pong.flags) == (b"87654321", {"ACK"})


def test_windows_hold_answers_back_and_let_them_go():
    """Both levels, a shift by SETTINGS that goes below zero, and frames no longer than the client wants."""
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=10) + peer.request(1))
    peer.connection.answer(1, HEAD, b"x" * 30, TAIL)
    assert sizes(peer.read()) == [10]
    assert sizes(peer.send(wire.settings(INITIAL_WINDOW_SIZE=3))) == []
    assert sizes(peer.send(wire.window_update(1, 7))) == []
    assert sizes(peer.send(wire.window_update(1, 5))) == [5]
    assert sizes(peer.send(wire.settings(INITIAL_WINDOW_SIZE=18))) == [15]
    assert [set(frame.flags) for frame in peer.frames if frame.type == 1][-1] == {"END_HEADERS", "END_STREAM"}
    assert not peer.connection.waits(1)


def test_of_a_setting_that_stands_twice_the_last_stays_and_each_must_be_right():
    peer = Peer()
    window, push = (lambda n: (4, n)), (lambda n: (2, n))
    peer.send(twice(window(5), window(2)) + peer.request(1))
    peer.connection.answer(1, HEAD, b"x" * 5, TAIL)
    assert sizes(peer.read()) == [2]
    for wrong, code in (([push(2), push(0)], Code.PROTOCOL_ERROR), ([window(1 << 31), window(1)], FLOW)):
        peer = Peer()
        peer.send(twice(*wrong))
        assert peer.goaway() == code


def twice(*pairs):
    return wire.raw(4, 0, 0, b"".join(name.to_bytes(2) + value.to_bytes(4) for name, value in pairs))


def test_a_table_that_shrinks_and_grows_in_one_frame_is_told_empty():
    """RFC 7541 4.2: the smallest size between two blocks is signalled."""
    peer = Peer()
    peer.send(twice((1, 100), (1, TABLE_BYTES)) + peer.request(1))
    peer.connection.answer(1, HEAD, b"", TAIL)
    assert [frame.data for frame in peer.read() if frame.type == 1] == [b"\x20" + HEAD, TAIL]


def test_settings_are_acknowledged_before_they_show():
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=0) + peer.request(1))
    peer.connection.answer(1, HEAD, b"x", TAIL)
    peer.read()
    assert [frame.type for frame in peer.send(wire.settings(INITIAL_WINDOW_SIZE=1))] == [4, 0, 1]


def test_the_connections_window_is_shared():
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=1 << 20) + peer.request(1) + peer.request(3))
    for stream_id in (1, 3):
        peer.connection.answer(stream_id, HEAD, b"x" * 65_000, TAIL)
    assert sum(sizes(peer.read())) == 65_535
    assert sum(sizes(peer.send(wire.window_update(0, 100)))) == 100
    assert sum(sizes(peer.send(wire.window_update(0, 1 << 20)))) == 130_000 - 65_635


def sizes(frames):
    return [len(frame.data) for frame in frames if frame.type == 0]


@pytest.mark.parametrize("shift", [wire.settings(INITIAL_WINDOW_SIZE=100), wire.window_update(1, 1)])
def test_a_stream_window_is_never_too_wide(shift):
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=0) + peer.request(1))
    peer.send(wire.window_update(1, WINDOW_MAX_BYTES) + shift)
    assert peer.goaway() == FLOW or peer.resets() == [(1, FLOW)]


def test_more_than_the_window_is_an_error_and_a_body_too_long_is_told():
    peer = Peer()
    part = wire.data(1, b"x" * 16_384)
    peer.send(peer.headers(1) + part * (LIMITS.stream_window_bytes // 16_384))
    assert peer.events == []
    peer.send(wire.data(1, b"x" * (LIMITS.stream_window_bytes % 16_384)))
    assert peer.events == [TooLong(1)]
    peer.send(wire.data(1, b"x"))
    assert peer.resets() == [(1, FLOW)]


def test_the_connections_window_is_given_back():
    peer = Peer()
    given = 0
    for number in range(1_000):
        frames = peer.send(peer.request(2 * number + 1, b"x" * 16_384))
        given += sum(frame.window_increment for frame in frames if frame.type == 8)
        peer.connection.answer(2 * number + 1, HEAD, b"", TAIL)
    assert peer.goaway() is None
    assert given > 1_000 * 16_384 - LIMITS.window_bytes


def test_padding_is_given_back_to_the_stream():
    peer = Peer()
    frames = peer.send(peer.headers(1) + wire.raw(0, 8, 1, b"\x03abc" + b"\0" * 3))
    assert [(frame.stream_id, frame.window_increment) for frame in frames] == [(1, 4)]


def test_a_smaller_table_is_acknowledged_in_the_next_block():
    """RFC 7541 4.2; ours is empty from then on, and that is said once."""
    peer = Peer()
    for stream_id, size in ((1, TABLE_BYTES), (3, 100), (5, 0), (7, TABLE_BYTES)):
        peer.send(wire.settings(HEADER_TABLE_SIZE=size) + peer.request(stream_id))
        peer.connection.answer(stream_id, HEAD, b"", TAIL)
    peer.read()
    blocks = [frame.data for frame in peer.frames if frame.type == 1]
    assert blocks == [HEAD, TAIL, b"\x20" + HEAD, TAIL, HEAD, TAIL, HEAD, TAIL]


def test_an_answer_may_come_before_the_request_is_whole():
    peer = Peer()
    peer.send(peer.headers(1) + wire.data(1, b"x"))
    peer.connection.refuse(1, HEAD)
    peer.read()
    assert peer.resets() == [(1, Code.NO_ERROR)]
    assert peer.send(wire.data(1, b"y") + peer.headers(1, [("x-a", "b")], "END_STREAM")) == []


def test_draining_says_so_twice_and_finishes_what_is_under_way():
    peer = Peer()
    peer.send(peer.request(1))
    peer.connection.drain(peer.now)
    first, ping = peer.read()
    assert (first.last_stream_id, first.error_code) == (WINDOW_MAX_BYTES, Code.NO_ERROR)
    assert peer.send(peer.request(3)) == [], "it did not know yet"
    (last,) = peer.send(wire.ping(ping.opaque_data, "ACK"))
    assert last.last_stream_id == 3
    peer.send(peer.request(5))
    assert [stream_id for stream_id, _ in peer.asked] == [1, 3]
    peer.connection.answer(1, HEAD, b"", TAIL)
    assert not peer.connection.ended
    peer.connection.answer(3, HEAD, b"", TAIL)
    assert peer.connection.ended


def test_draining_again_says_nothing_and_gives_no_more_time():
    peer = Peer()
    peer.send(peer.request(1))
    peer.connection.drain(peer.now)
    peer.read()
    peer.tick(LIMITS.drain_s)
    peer.connection.drain(peer.now)
    assert [frame for frame in peer.read() if frame.type == 6] == []
    peer.tick(0.1)
    assert peer.connection.ended
    peer.connection.drain(peer.now)
    assert peer.read() == []


def test_draining_waits_neither_for_a_ping_nor_for_ever():
    peer = Peer()
    peer.send(peer.request(1))
    peer.connection.drain(peer.now)
    peer.tick(LIMITS.goaway_s)
    assert [frame.last_stream_id for frame in peer.frames if frame.type == 7] == [WINDOW_MAX_BYTES]
    peer.tick(0.1)
    peer.tick(0.1)
    assert [frame.last_stream_id for frame in peer.frames if frame.type == 7] == [WINDOW_MAX_BYTES, 1]
    assert not peer.connection.ended
    peer.tick(LIMITS.drain_s - LIMITS.goaway_s - 0.5)
    assert not peer.connection.ended
    peer.tick(0.5)
    assert peer.connection.ended
    assert peer.refused == {Cause.DRAIN: 1}


def test_a_busy_connection_is_not_idle():
    peer = Peer(replace(LIMITS, idle_s=10.0))
    peer.send(peer.request(1))
    for _ in range(20):
        peer.tick(1)
    peer.connection.answer(1, HEAD, b"", TAIL)
    peer.tick(10)
    assert not peer.connection.draining
    peer.tick(1)
    assert peer.connection.draining


def test_an_idle_connection_is_drained():
    peer = Peer()
    for _ in range(int(LIMITS.idle_s)):
        peer.send(wire.raw(4, 1, 0, b""))
        peer.tick(1)
    assert not peer.connection.ended
    peer.tick(1)
    peer.tick(LIMITS.goaway_s + 1)
    assert peer.goaway() == Code.NO_ERROR
