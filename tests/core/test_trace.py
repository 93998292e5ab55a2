"""Which trace a request belongs to, by the headers of the two formats that meshes use."""

import pytest

from authz.core import trace
from authz.core.request import Request
from authz.core.trace import Parent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = Parent(TRACE, SPAN, is_sampled=True), Parent(TRACE, SPAN, is_sampled=False)
SHORT = Parent("0" * 16 + SPAN, SPAN, is_sampled=True)
B3 = {"x-b3-traceid": TRACE, "x-b3-spanid": SPAN}


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, SAMPLED),
        ({"traceparent": f"00-{TRACE}-{SPAN}-00"}, UNSAMPLED),
        ({"traceparent": f"00-{TRACE}-{SPAN}-03"}, SAMPLED),
        ({"traceparent": f"01-{TRACE}-{SPAN}-01-more"}, SAMPLED),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01-more"}, None),
        ({"traceparent": f"ff-{TRACE}-{SPAN}-01"}, None),
        ({"traceparent": f"00-{'0' * 32}-{SPAN}-01"}, None),
        ({"traceparent": f"00-{TRACE}-{'0' * 16}-01"}, None),
        ({"traceparent": f"00-{TRACE.upper()}-{SPAN}-01"}, None),
        ({"traceparent": f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01"}, None),
        ({"traceparent": "nonsense", "b3": f"{TRACE}-{SPAN}-1"}, None),
        ({"b3": f"{TRACE}-{SPAN}-1"}, SAMPLED),
        ({"b3": f"{TRACE}-{SPAN}-1-{SPAN}"}, SAMPLED),
        ({"b3": f"{TRACE}-{SPAN}-d"}, SAMPLED),
        ({"b3": f"{TRACE}-{SPAN}-0"}, UNSAMPLED),
        ({"b3": f"{TRACE}-{SPAN}"}, UNSAMPLED),
        ({"b3": "0"}, None),
        ({"b3": f"{SPAN}-{SPAN}-1"}, SHORT),
        (B3 | {"x-b3-sampled": "1"}, SAMPLED),
        (B3 | {"x-b3-sampled": "true"}, SAMPLED),
        (B3 | {"x-b3-flags": "1"}, SAMPLED),
        (B3 | {"x-b3-sampled": "0"}, UNSAMPLED),
        (B3 | {"x-b3-sampled": "-1"}, UNSAMPLED),
        (B3, UNSAMPLED),
        ({"x-b3-traceid": TRACE}, None),
        ({"x-b3-sampled": "0"}, None),
        ({"x-b3-traceid": "x", "x-b3-spanid": SPAN}, None),
    ],
)
def test_the_trace_of_a_request(headers, expected):
    assert trace.parent(Request("GET", "shop", "/", "", headers)) == expected


CLIENTS = {"traceparent": f"00-{SPAN}{SPAN}-{SPAN}-01"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"traceparent": f"00-{TRACE}-{SPAN}-01"}, SAMPLED),
        ({"traceparent": f"00-{TRACE}-{SPAN}-00"}, UNSAMPLED),
        ({"b3": f"{TRACE}-{SPAN}-1"}, SAMPLED),
        ({"traceparent": "nonsense"}, Parent(SPAN + SPAN, SPAN, is_sampled=True)),
    ],
)
def test_envoys_own_span_is_the_parent_and_not_its_clients(told, expected):
    assert trace.parent(Request("GET", "shop", "/", "", CLIENTS, told=told)) == expected
