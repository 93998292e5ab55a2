"""The trace that a request belongs to: W3C Trace Context, or Zipkin's B3 in one header or several.

Only who asks decides whether it is sampled; what can not be read is no trace.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from authz.core.request import Request

# https://www.w3.org/TR/trace-context/#traceparent-header: a later version may add to the end.
_w3c = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]*)?").fullmatch
# https://github.com/openzipkin/b3-propagation: ids, and the decision if it has been made.
_b3 = re.compile(r"((?:[0-9a-f]{16}){1,2})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?").fullmatch
FIELDS = frozenset({"traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled", "x-b3-flags"})
_SAMPLED = 0x01
_B3_DEBUG = "d"  # sampled, whatever it costs


class Parent(NamedTuple):
    """The span that asked. Ids in hexadecimal, 32 and 16 digits."""

    trace_id: str
    span_id: str
    is_sampled: bool


def parent(request: Request) -> Parent | None:
    """None if nobody tells of a trace.

    Envoy's call goes first: its span is the parent, and at a gateway the request has none to tell of yet.
    """
    return _parent(request.told) or _parent(request.headers)


def _parent(headers: Mapping[str, str]) -> Parent | None:
    if traceparent := headers.get("traceparent"):
        return _of_w3c(traceparent)
    if text := headers.get("b3") or _joined(headers):
        return _of_b3(text)
    return None


def _of_w3c(text: str) -> Parent | None:
    found = _w3c(text)
    if not found or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    return _real(found[2], found[3], is_sampled=bool(int(found[4], 16) & _SAMPLED))


def _of_b3(text: str) -> Parent | None:
    found = _b3(text.lower())
    return _real(found[1].zfill(32), found[2], is_sampled=found[3] in ("1", _B3_DEBUG)) if found else None


def _real(trace_id: str, span_id: str, *, is_sampled: bool) -> Parent | None:
    """Ids of nothing but zeros are none."""
    return Parent(trace_id, span_id, is_sampled) if trace_id.strip("0") and span_id.strip("0") else None


def _joined(headers: Mapping[str, str]) -> str:
    """The several headers as the one."""
    trace_id, span_id = headers.get("x-b3-traceid"), headers.get("x-b3-spanid")
    if not (trace_id and span_id):
        return ""
    if headers.get("x-b3-flags") == "1":
        return f"{trace_id}-{span_id}-{_B3_DEBUG}"
    sampled = {"1": "-1", "true": "-1", "0": "-0", "false": "-0"}.get(headers.get("x-b3-sampled", ""), "")
    return f"{trace_id}-{span_id}{sampled}"
