"""What RFC 9113 asks of a server, case by case, where h2spec does not look or looks only once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.server.h2.faults import Cause, Code
from authz.server.h2.frames import PREFACE
from authz.server.h2.limits import LIMITS, WINDOW_MAX_BYTES
from authz.server.h2.streams import Ended
from tests.server.h2 import wire
from tests.server.h2.wire import HEAD, REQUEST, TAIL, Peer

PROTOCOL, FLOW, SIZE, CLOSED = (
    Code.PROTOCOL_ERROR,
    Code.FLOW_CONTROL_ERROR,
    Code.FRAME_SIZE_ERROR,
    Code.STREAM_CLOSED,
)


FATAL = [
    (wire.raw(0, 0, 0, b"x"), PROTOCOL),
    (wire.raw(0, 0, 3, b"x"), PROTOCOL),
    (wire.raw(0, 0, 0, b"x" * 16_385), SIZE),
    (wire.raw(1, 4, 0, b"\x82"), PROTOCOL),
    (wire.raw(1, 4, 2, b"\x82"), PROTOCOL),
    (wire.raw(1, 0x24, 1, b"\x82"), SIZE),
    (wire.raw(1, 0x24, 1, b"\0\0\0\1\0"), PROTOCOL),
    (wire.raw(1, 0x0C, 1, b""), SIZE),
    (wire.raw(2, 0, 0, b"\0\0\0\1\0"), PROTOCOL),
    (wire.raw(2, 0, 1, b"\0\0\0\1"), SIZE),
    (wire.raw(3, 0, 0, b"\0\0\0\0"), PROTOCOL),
    (wire.raw(3, 0, 1, b"\0\0\0\0"), PROTOCOL),
    (wire.raw(3, 0, 1, b"\0\0\0"), SIZE),
    (wire.raw(4, 0, 1, b""), PROTOCOL),
    (wire.raw(4, 1, 0, b"\0\1\0\0\0\0"), SIZE),
    (wire.raw(4, 0, 0, b"\0\1\0\0\0"), SIZE),
    (wire.settings(ENABLE_PUSH=2), PROTOCOL),
    (wire.settings(INITIAL_WINDOW_SIZE=2**31), FLOW),
    (wire.settings(MAX_FRAME_SIZE=16_383), PROTOCOL),
    (wire.settings(MAX_FRAME_SIZE=2**24), PROTOCOL),
    (wire.raw(5, 4, 1, b"\0\0\0\2"), PROTOCOL),
    (wire.raw(6, 0, 1, b"12345678"), PROTOCOL),
    (wire.raw(6, 0, 0, b"1234567"), SIZE),
    (wire.raw(7, 0, 1, b"\0" * 8), PROTOCOL),
    (wire.raw(7, 0, 0, b"\0" * 7), SIZE),
    (wire.raw(8, 0, 0, b"\0\0\0\0"), PROTOCOL),
    (wire.raw(8, 0, 1, b"\0\0\0\1"), PROTOCOL),
    (wire.raw(8, 0, 0, b"\0\0\0"), SIZE),
    (wire.window_update(0, WINDOW_MAX_BYTES), FLOW),
    (wire.raw(9, 4, 1, b""), PROTOCOL),
    (wire.headers(1, b"\x82") + wire.ping(), PROTOCOL),
    (wire.headers(1, b"\x82") + wire.continuation(3, b""), PROTOCOL),
    (wire.headers(1, b"\x82") + wire.headers(1, b"\x82"), PROTOCOL),
]
# What leaves streams 1 and 3 idle.
HARMLESS = [
    wire.ping(),
    wire.raw(4, 1, 0, b""),
    wire.settings(INITIAL_WINDOW_SIZE=7),
    wire.window_update(0, 1),
    wire.raw(2, 0, 9, b"\0\0\0\3\0"),
    wire.raw(99, 255, 5, b"?"),
    wire.raw(6, 1, 0, b"12345678"),
]
FRAMES = st.builds(
    wire.raw, st.integers(0, 10), st.integers(0, 255), st.integers(0, 9), st.binary(max_size=30)
)


@pytest.mark.parametrize(("sent", "code"), FATAL)
def test_what_ends_the_connection(sent, code):
    peer = Peer()
    peer.send(sent)
    assert (peer.goaway(), peer.refused) == (code, {Cause.PROTOCOL: 1})
    assert peer.send(peer.request(1)) == [], "and then it is deaf"
    assert peer.asked == []


@given(st.lists(st.sampled_from(HARMLESS), max_size=8), st.sampled_from(FATAL), st.integers(1, 40))
def test_it_is_the_same_after_any_traffic_cut_anywhere(before, fatal, cut):
    peer = Peer()
    sent = b"".join(before) + fatal[0]
    for at in range(0, len(sent), cut):
        peer.send(sent[at : at + cut])
    assert peer.goaway() == fatal[1]


@given(st.lists(st.one_of(st.binary(max_size=40), st.sampled_from(HARMLESS), FRAMES), max_size=12))
def test_nothing_that_is_sent_raises(sent):
    peer = Peer()
    for data in sent:
        peer.send(data)
    peer.tick(LIMITS.body_s + 1)


@pytest.mark.parametrize(
    "sent", [wire.ping(), wire.headers(1, b"\x82"), wire.raw(4, 1, 0, b""), wire.window_update(0, 1)]
)
def test_settings_come_first(sent):
    peer = Peer(greet=False)
    peer.send(PREFACE + sent)
    assert peer.goaway() == PROTOCOL


@pytest.mark.parametrize(
    ("fields", "well"),
    [
        (REQUEST, True),
        ([*REQUEST, ("x-a", "")], True),
        ([*REQUEST, ("x-a", "a b\tc")], True),
        ([*REQUEST, ("content-length", "0")], True),
        ([*REQUEST, ("content-length", "0"), ("content-length", "0")], True),
        ([*REQUEST, ("X-A", "a")], False),
        ([*REQUEST, ("x a", "a")], False),
        ([*REQUEST, ("x:a", "a")], False),
        ([*REQUEST, ("", "a")], False),
        ([*REQUEST, ("x-a", " a")], False),
        ([*REQUEST, ("x-a", "a\t")], False),
        ([*REQUEST, ("x-a", "a\nb")], False),
        ([*REQUEST, ("x-a", "a\rb")], False),
        ([*REQUEST, ("x-a", "a\0b")], False),
        ([*REQUEST, ("connection", "close")], False),
        ([*REQUEST, ("keep-alive", "1")], False),
        ([*REQUEST, ("proxy-connection", "1")], False),
        ([*REQUEST, ("transfer-encoding", "chunked")], False),
        ([*REQUEST, ("upgrade", "h2c")], False),
        ([*REQUEST, ("te", "gzip")], False),
        ([*REQUEST, ("content-length", "1")], False),
        ([*REQUEST, ("content-length", "-0")], False),
        ([*REQUEST, ("content-length", "0"), ("content-length", "00")], False),
        ([*REQUEST, (":path", "/")], False),
        ([*REQUEST, (":status", "200")], False),
        ([(":protocol", "websocket"), *REQUEST], False),
        ([(":path", "/"), *REQUEST], False),
        (REQUEST[1:], False),
        ([*REQUEST[:1], *REQUEST[2:]], False),
        ([*REQUEST[:2], *REQUEST[3:]], False),
        ([*REQUEST[:2], (":path", ""), *REQUEST[3:]], False),
        ([*REQUEST[:2], (":path", "/a\0"), *REQUEST[3:]], False),
        ([(":method", "CONNECT"), (":authority", "a")], True),
        ([], False),
    ],
)
def test_what_makes_a_request(fields, well):
    peer = Peer()
    peer.send(peer.headers(1, fields, "END_STREAM"))
    assert (peer.asked, peer.resets()) == (([(1, b"")], []) if well else ([], [(1, PROTOCOL)]))
    peer.send(peer.request(3))
    assert peer.asked[-1] == (3, b""), "the connection goes on"


@pytest.mark.parametrize(
    ("fields", "flags", "well"),
    [
        ([("x-a", "1")], ["END_STREAM"], True),
        ([("x-a", "1")], [], False),
        ([(":path", "/")], ["END_STREAM"], False),
        ([("X-A", "1")], ["END_STREAM"], False),
    ],
)
def test_trailers(fields, flags, well):
    peer = Peer()
    peer.send(peer.headers(1) + wire.data(1, b"body") + peer.headers(1, fields, *flags))
    assert (peer.asked, peer.resets()) == (([(1, b"body")], []) if well else ([], [(1, PROTOCOL)]))


@pytest.mark.parametrize(
    "end",
    [
        lambda peer: peer.send(wire.reset(1)),
        lambda peer: peer.connection.answer(1, HEAD, b"", TAIL),
    ],
)
def test_a_closed_stream_stays_closed(end):
    def closed() -> Peer:
        peer = Peer()
        peer.send(peer.request(1))
        end(peer)
        return peer

    peer = closed()
    peer.send(wire.data(1, b"x"))
    assert peer.resets() == [(1, CLOSED)]
    peer = closed()
    peer.send(peer.headers(1))
    assert peer.goaway() == CLOSED
    peer = closed()
    peer.send(wire.window_update(1, 1) + wire.reset(1) + wire.raw(2, 0, 1, b"\0\0\0\3\0"))
    assert (peer.goaway(), peer.resets()) == (None, [])


def test_a_stream_passed_over_is_never_opened():
    peer = Peer()
    peer.send(peer.request(1) + peer.request(7) + peer.request(5))
    assert peer.goaway() == PROTOCOL


@pytest.mark.parametrize("sent", [wire.data(1, b"x"), wire.headers(1, b"\x82", "END_HEADERS")])
def test_nothing_follows_the_end_of_a_request(sent):
    peer = Peer()
    peer.send(peer.request(1) + sent)
    assert peer.resets() == [(1, CLOSED)]
    assert Ended(1) in peer.events


def test_a_reset_ends_the_wait():
    peer = Peer()
    peer.send(peer.request(1))
    assert peer.connection.waits(1)
    peer.send(wire.reset(1))
    assert not peer.connection.waits(1)
    assert peer.events[-1] == Ended(1)
    peer.connection.answer(1, HEAD, b"late", TAIL)
    assert peer.read() == []
