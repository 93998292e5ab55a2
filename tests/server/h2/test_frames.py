"""Frames against hyperframe, both ways."""

from typing import Any

import hyperframe.frame as hf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authz.server.h2 import frames
from authz.server.h2.faults import Code, ConnectionFault
from authz.server.h2.frames import Setting

IDS = st.integers(1, frames.STREAM_MASK)
SIZES = st.integers(1, frames.STREAM_MASK)


def parsed(raw: bytes) -> Any:
    frame, size = hf.Frame.parse_frame_header(memoryview(raw[:9]))
    assert size == len(raw) - 9
    frame.parse_body(memoryview(raw[9:]))
    return frame


@given(IDS, st.sampled_from(Code))
def test_reset(stream_id, code):
    assert frames.reset(stream_id, code) == hf.RstStreamFrame(stream_id, code).serialize()


@given(st.dictionaries(st.sampled_from(Setting), st.integers(0, 2**32 - 1)))
def test_settings(values):
    raw = frames.settings(values)
    assert parsed(raw).settings == values
    assert dict(frames.read_settings(raw[9:])) == values


@given(st.binary(min_size=8, max_size=8))
def test_ping(opaque):
    assert frames.ping(opaque) == hf.PingFrame(0, opaque).serialize()
    assert frames.ping(opaque, frames.ACK) == hf.PingFrame(0, opaque, flags=["ACK"]).serialize()


@given(st.integers(0, frames.STREAM_MASK), st.sampled_from(Code), st.text())
def test_goaway(last_id, code, text):
    assert frames.goaway(last_id, code, text) == hf.GoAwayFrame(0, last_id, code, text.encode()).serialize()


@given(st.integers(0, frames.STREAM_MASK), SIZES)
def test_window_update(stream_id, size):
    raw = frames.window_update(stream_id, size)
    assert raw == hf.WindowUpdateFrame(stream_id, size).serialize()
    assert frames.word(raw[9:]) == size


@given(IDS, st.binary(max_size=300), st.integers(0, 255))
def test_padding_is_taken_off(stream_id, body, padding):
    raw = hf.DataFrame(stream_id, body, pad_length=padding, flags=["PADDED"]).serialize()
    assert frames.unpad(raw[9:]) == body


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", Code.FRAME_SIZE_ERROR),
        (b"\x01", Code.PROTOCOL_ERROR),
        (b"\xff" + b"x" * 254, Code.PROTOCOL_ERROR),
    ],
)
def test_padding_that_can_not_be(payload, code):
    with pytest.raises(ConnectionFault) as fault:
        frames.unpad(payload)
    assert fault.value.code is code
