"""OpenTelemetry spans: one for a Check whose trace its caller samples, and one for each call to a source.

Imported only where it is configured. A span tells the rule and the reason, never a credential.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from types import SimpleNamespace
from typing import Any

from aiohttp import (
    ClientSession,
    TraceConfig,
    TraceRequestEndParams,
    TraceRequestExceptionParams,
    TraceRequestStartParams,
)
from opentelemetry import context
from opentelemetry import trace as otel
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)

from authz import __version__
from authz.core import trace
from authz.core.decision import Decision
from authz.core.request import Request
from authz.server.rate import Bucket

EXPORT_S = 2.0  # of a batch: a collector that is slow costs spans, and no more than this when we stop
QUEUE_MAX = 2_048  # spans, some 2 kB each; the oldest go
EVERY_MS = 1_000.0

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)


class Traced:
    """One Check and its span."""

    def __init__(self, span: Span) -> None:
        self._span = span

    async def run(self, deciding: Coroutine[Any, Any, Decision]) -> Decision:
        """In a context of its own: what comes next on the connection belongs to another trace."""
        within = copy_context()
        within.run(context.attach, otel.set_span_in_context(self._span))
        return await asyncio.get_running_loop().create_task(deciding, context=within)

    def end(self, request: Request, decision: Decision) -> None:
        """What became of it. The request's id is named as Envoy names it in its own spans."""
        reason = decision.reason
        self._span.set_attributes(
            {
                "authz.rule": decision.rule.name if decision.rule else "",
                "authz.reason": reason.name,
                "http.response.status_code": reason.status,
                "guid:x-request-id": request.id,
            }
        )
        if reason.status >= 500:
            self._span.set_status(StatusCode.ERROR, reason.text)
        self._span.end()


class Tracing:
    """`endpoint` takes OTLP over HTTP. `calls` is for the HTTP client that asks sources."""

    def __init__(self, endpoint: str, per_second: int, bucket: Callable[[int], Bucket] = Bucket) -> None:
        resource = Resource.create({"service.name": "authz", "service.version": __version__})
        self._provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint, timeout=EXPORT_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=QUEUE_MAX, schedule_delay_millis=EVERY_MS)
        )
        self._tracer = self._provider.get_tracer("authz", __version__)
        self._bucket = bucket(per_second)
        self.calls = TraceConfig()
        self.calls.on_request_start.append(self._asking)
        self.calls.on_request_end.append(_answered)
        self.calls.on_request_exception.append(_failed)

    def begin(self, request: Request) -> Traced | None:
        """None unless the caller samples the trace, and not too many are."""
        parent = trace.parent(request)
        if parent is None or not parent.is_sampled or not self._bucket.take():
            return None
        asked = SpanContext(int(parent.trace_id, 16), int(parent.span_id, 16), True, _SAMPLED)
        around = otel.set_span_in_context(NonRecordingSpan(asked), context.Context())
        return Traced(self._tracer.start_span("Check", around, SpanKind.SERVER))

    async def close(self) -> None:
        """Send what is left."""
        await asyncio.to_thread(self._provider.shutdown)

    async def _asking(self, _: ClientSession, call: SimpleNamespace, asked: TraceRequestStartParams) -> None:
        """As a child of the Check that asks first; who asks the same meanwhile shares the answer."""
        if not otel.get_current_span().is_recording():
            return
        url = asked.url  # without its query, which may name people
        call.span = self._tracer.start_span(f"{asked.method} {url.host}", kind=SpanKind.CLIENT)
        call.span.set_attributes(
            {"http.request.method": asked.method, "server.address": url.host or "", "url.path": url.path}
        )


async def _answered(_: ClientSession, call: SimpleNamespace, answer: TraceRequestEndParams) -> None:
    if span := _span(call):
        span.set_attribute("http.response.status_code", answer.response.status)
        span.end()


async def _failed(_: ClientSession, call: SimpleNamespace, answer: TraceRequestExceptionParams) -> None:
    if span := _span(call):
        span.set_status(StatusCode.ERROR, type(answer.exception).__name__)
        span.end()


def _span(call: SimpleNamespace) -> Span | None:
    return getattr(call, "span", None)
