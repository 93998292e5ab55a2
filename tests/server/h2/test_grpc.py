"""What a request's fields and body mean to gRPC."""

from math import inf

import pytest
from hpack import Decoder
from hypothesis import given
from hypothesis import strategies as st

from authz.server.h2 import grpc
from tests.server.h2.wire import REQUEST

PLAIN = grpc.Call(b"/a/b")
ENCODED = grpc.Call(b"/a/b", encoded=True)
ASKED = [(name.encode(), value.encode()) for name, value in REQUEST]


def without(name: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in ASKED if field[0] != name]


@pytest.mark.parametrize(
    ("fields", "reply"),
    [
        (ASKED, None),
        ([*without(b"content-type"), (b"content-type", b"application/grpc+proto")], None),
        ([*without(b"content-type"), (b"content-type", b"application/grpc;x=y")], None),
        ([*without(b"content-type"), (b"content-type", b"application/grpc+json")], grpc.NOT_GRPC),
        ([*without(b"content-type"), (b"content-type", b"application/grpc-web")], grpc.NOT_GRPC),
        ([*without(b"content-type"), (b"content-type", b"text/plain")], grpc.NOT_GRPC),
        (without(b"content-type"), grpc.NOT_GRPC),
        (without(b"te"), grpc.NO_TRAILERS),
        ([(b":method", b"GET"), *without(b":method")], grpc.NOT_POST),
        ([*ASKED, (b"grpc-timeout", b"1")], grpc.BAD_TIMEOUT),
        ([*ASKED, (b"grpc-timeout", b"")], grpc.BAD_TIMEOUT),
        ([*ASKED, (b"grpc-timeout", b"-1S")], grpc.BAD_TIMEOUT),
        ([*ASKED, (b"grpc-timeout", b"123456789S")], grpc.BAD_TIMEOUT),
    ],
)
def test_what_is_refused_by_its_fields(fields, reply):
    assert grpc.call(fields).refusal == reply


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [(b"2H", 7200), (b"3M", 180), (b"4S", 4), (b"200m", 0.2), (b"5u", 5e-6), (b"6n", 6e-9), (b"0S", 0)],
)
def test_timeouts(timeout, seconds):
    assert grpc.call([*ASKED, (b"grpc-timeout", timeout)]).timeout_s == pytest.approx(seconds)
    assert grpc.call(ASKED).timeout_s == inf


@given(st.binary(max_size=2_000))
def test_a_message_comes_back_as_it_went(message):
    assert grpc.message(PLAIN, grpc.framed(message)) == message


@pytest.mark.parametrize(
    ("call", "body", "reply"),
    [
        (PLAIN, b"", grpc.CARDINALITY),
        (PLAIN, b"\0", grpc.TRUNCATED),
        (PLAIN, b"\0\0\0\0\2x", grpc.TRUNCATED),
        (PLAIN, b"\0\xff\xff\xff\xffx", grpc.TRUNCATED),
        (PLAIN, b"\0\0\0\0\1xy", grpc.CARDINALITY),
        (PLAIN, grpc.framed(b"a") + grpc.framed(b"b"), grpc.CARDINALITY),
        (PLAIN, b"\1\0\0\0\1x", grpc.BAD_FLAG),
        (ENCODED, b"\1\0\0\0\1x", grpc.COMPRESSED),
        (ENCODED, b"\2\0\0\0\1x", grpc.BAD_FLAG),
    ],
)
def test_a_body_that_is_not_one_plain_message(call, body, reply):
    with pytest.raises(grpc.Refusal) as refusal:
        grpc.message(call, body)
    assert refusal.value.reply == reply


def test_a_message_that_is_not_compressed_is_read_though_an_encoding_is_named():
    assert grpc.message(ENCODED, grpc.framed(b"x")) == b"x"


@pytest.mark.parametrize(
    "block", [grpc.HEAD, grpc.OK, grpc.NOT_GRPC.head, grpc.LATE.head, grpc.COMPRESSED.head]
)
def test_our_blocks_leave_the_table_alone(block):
    decoder = Decoder()
    assert decoder.decode(block)
    assert not decoder.header_table.dynamic_entries
