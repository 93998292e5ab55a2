"""What goes out at once, what is held back, and what each counts for."""

from dataclasses import replace

import pytest

from authz.server.h2.faults import Cause
from authz.server.h2.limits import LIMITS, WINDOW_MAX_BYTES
from tests.server.h2 import wire
from tests.server.h2.wire import HEAD, TAIL, Peer


def sizes(frames):
    return [len(frame.data) for frame in frames if frame.type == 0]


def test_answers_that_go_at_once_use_up_the_connections_window_too():
    peer = Peer()
    peer.send(b"".join(map(peer.request, (1, 3, 5, 7, 9))))
    for stream_id in (1, 3, 5, 7, 9):
        peer.connection.answer(stream_id, HEAD, b"x" * 16_000, TAIL)
    assert sizes(peer.read()) == [16_000, 16_000, 16_000, 16_000, 65_535 - 64_000]
    assert sizes(peer.send(wire.window_update(0, 1 << 20))) == [80_000 - 65_535]


def test_a_wider_connection_is_no_wider_stream():
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=10) + peer.request(1))
    peer.connection.answer(1, HEAD, b"x" * 30, TAIL)
    assert sizes(peer.read()) == [10]
    assert peer.send(wire.window_update(0, 1_000)) == []
    assert sizes(peer.send(wire.window_update(1, 20))) == [20]


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize(("stream_id", "room"), [(0, WINDOW_MAX_BYTES - 65_535), (1, WINDOW_MAX_BYTES - 10)])
def test_a_window_may_be_as_wide_as_there_are_and_no_wider(stream_id, room, more):
    peer = Peer()
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=10) + peer.request(1))
    peer.send(wire.window_update(stream_id, room) + (wire.window_update(stream_id, 1) * more))
    assert bool(peer.goaway() or peer.resets()) == bool(more)


@pytest.mark.parametrize("end", [wire.window_update(1, 80), wire.reset(1)], ids=["taken", "given up"])
def test_what_is_held_back_counts_until_it_has_gone(end):
    peer = Peer(replace(LIMITS, unsent_max_bytes=100))
    peer.send(wire.settings(INITIAL_WINDOW_SIZE=0) + peer.request(1) + peer.request(3) + peer.request(5))
    peer.connection.answer(1, HEAD, b"x" * 80, TAIL)
    peer.send(end)
    peer.connection.answer(3, HEAD, b"x" * 80, TAIL)
    assert not peer.connection.ended
    peer.connection.answer(5, HEAD, b"x" * 21, TAIL)
    assert peer.connection.ended
    assert peer.refused == {Cause.UNSENT: 1}


@pytest.mark.parametrize(
    ("text", "sent"),
    [(b"", [(1, {"END_HEADERS", "END_STREAM"})]), (b"hint", [(1, {"END_HEADERS"}), (0, {"END_STREAM"})])],
)
def test_a_refusal_ends_with_its_head_or_with_its_text(text, sent):
    peer = Peer()
    peer.send(peer.request(1))
    peer.connection.refuse(1, HEAD, text)
    frames = peer.read()
    assert [(frame.type, set(frame.flags)) for frame in frames] == sent
    assert not peer.connection.waits(1)
