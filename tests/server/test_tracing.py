"""Spans that join the caller's trace, as a collector receives them over the wire."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from authz.core import path
from authz.core.policy import Authorizer, Check, Host, Introspection, Policy, Rule
from authz.core.policy import Client as ClientOf
from authz.server import service
from authz.server.h2 import server as h2
from authz.server.rate import BURST_S, Bucket
from authz.server.service import Service
from authz.server.telemetry import Telemetry
from authz.server.tracing import Tracing
from authz.sources.http import Client
from authz.sources.registry import Sources
from tests import idp
from tests.server import gateway
from tests.server.test_service import ask, outcome
from tests.server.test_service import service as service_of_shop
from tests.server.transports import TRANSPORTS, free_address, serving

HOST, TRACE, SPAN = "shop.example.com", "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-01"}, {"traceparent": f"00-{TRACE}-{SPAN}-00"}
SECRET = "s3cret-t0ken"
POLL_S = 0.01  # after which the collector notices that it is to end


class _Handler(BaseHTTPRequestHandler):
    """A collector (POST /v1/traces), and an issuer that knows a token (POST /introspect)."""

    received: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.received.append(body)
        answer = b'{"active": true, "sub": "alice"}' if self.path == "/introspect" else b""
        self.send_response(500 if self.path == "/broken" else 200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


class Collector:
    """What came, and where to send more."""

    def __init__(self, url: str, received: list[bytes]) -> None:
        self.url = url
        self._received = received

    @property
    def raw(self) -> bytes:
        return b"".join(self._received)

    @property
    def spans(self) -> list[Span]:
        requests = map(ExportTraceServiceRequest.FromString, self._received)
        scopes = [scope for one in requests for all_of in one.resource_spans for scope in all_of.scope_spans]
        return [span for scope in scopes for span in scope.spans]


@pytest.fixture
def collector() -> Iterator[Collector]:
    with _listening() as made:
        yield made


@contextmanager
def _listening() -> Iterator[Collector]:
    class Handler(_Handler):
        received: list[bytes] = []  # noqa: RUF012  # of this collector

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_S,), daemon=True)
        thread.start()
        yield Collector(f"http://127.0.0.1:{server.server_port}", Handler.received)
        server.shutdown()
        thread.join()


class Line:
    """A service whose one host asks the issuer about opaque tokens."""

    def __init__(self, collector: Collector, secret, endpoint="/introspect", bucket=Bucket) -> None:
        self.tracing = Tracing(f"{collector.url}/v1/traces", 100, bucket)
        client = Client(watched=self.tracing.calls)
        self.sources = Sources(client, lambda: 0.0)
        self.service = Service(self.sources, Telemetry(), lambda: idp.NOW, tracing=self.tracing)
        asked = Introspection(idp.ISSUER, ClientOf("authz", secret_file=secret), f"{collector.url}{endpoint}")
        check = Check(Authorizer("opaque", (asked,)))
        rule = Rule("default/shop/0", frozenset({"GET"}), path.parse("/*"), (check,))
        self.service.policy = Policy({HOST: Host(HOST, (rule,))})
        self._client = client

    async def check(self, token=SECRET, **headers) -> tuple[int, str]:
        raw = ask("/a", host=HOST, authorization=f"Bearer {token}", **headers)
        return outcome(await self.service.rpc(raw))

    async def close(self) -> None:
        await self.sources.close()
        await self._client.close()
        await self.tracing.close()


@pytest.fixture
def secret(tmp_path):
    file = tmp_path / "secret"
    file.write_text("client-s3cret")
    return file


def told(span: Span) -> dict[str, object]:
    """The attributes."""
    values = {one.key: one.value for one in span.attributes}
    return {key: value.int_value or value.string_value for key, value in values.items()}


async def test_a_check_joins_its_callers_trace_and_the_call_to_the_issuer_joins_the_check(collector, secret):
    line = Line(collector, secret)
    assert await line.check(**SAMPLED, **{"x-request-id": "r-1"}) == (200, "")
    await line.close()
    spans = {span.name: span for span in collector.spans}
    check, call = spans["Check"], spans["POST 127.0.0.1"]
    assert (check.trace_id.hex(), check.parent_span_id.hex(), check.kind) == (
        TRACE,
        SPAN,
        Span.SPAN_KIND_SERVER,
    )
    assert (call.trace_id.hex(), call.parent_span_id) == (TRACE, check.span_id)
    assert told(check) == {
        "authz.rule": "default/shop/0",
        "authz.reason": "AUTHORIZED",
        "http.response.status_code": 200,
        "guid:x-request-id": "r-1",
    }
    assert told(call)["http.response.status_code"] == 200
    assert check.start_time_unix_nano <= call.start_time_unix_nano < call.end_time_unix_nano
    assert b"s3cret" not in collector.raw


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
async def test_a_check_joins_the_span_of_envoys_own_call(transport, collector, secret):
    """At a gateway its span is younger than the request's headers: only the call itself tells of it."""
    line, envoys = Line(collector, secret), "00f067aa0ba902b7"
    raw = ask("/a", host=HOST, authorization=f"Bearer {SECRET}", **SAMPLED)
    async with serving(transport, line.service) as (_, channel):
        metadata = (("traceparent", f"00-{TRACE}-{envoys}-01"), ("x-other", "1"))
        answer = await channel.unary_unary(service.METHOD)(raw, metadata=metadata)
    assert outcome(answer) == (200, "")
    await line.close()
    (check,) = [span for span in collector.spans if span.name == "Check"]
    assert (check.trace_id.hex(), check.parent_span_id.hex()) == (TRACE, envoys)


@pytest.mark.slow
@pytest.mark.parametrize("headers", [{}, SAMPLED], ids=["not traced by its client", "traced by its client"])
async def test_a_check_joins_the_trace_of_a_real_gateway(headers, collector, tmp_path):
    tracing, line = Tracing(f"{collector.url}/v1/traces", 100), service_of_shop()
    line._tracing = tracing
    async with (
        serving(h2.Server, line, where := free_address()),
        gateway.running(where, tmp_path, 2) as front,
    ):
        await front.http.get("/any", headers={"host": HOST} | headers)
    await tracing.close()
    (check,) = [span for span in collector.spans if told(span)["authz.reason"] == "TOKEN_MISSING"]
    assert check.parent_span_id.hex() not in ("", SPAN), "Envoy's own span"
    assert not headers or check.trace_id.hex() == TRACE


async def test_a_call_that_fails_is_an_error_and_so_is_the_check(collector, secret):
    line = Line(collector, secret, "/broken")
    assert await line.check(**SAMPLED) == (503, "SOURCE_UNAVAILABLE")
    await line.close()
    check, call = sorted(collector.spans, key=lambda span: span.name)
    assert (check.status.code, told(check)["authz.reason"]) == (2, "SOURCE_UNAVAILABLE")
    assert told(call)["http.response.status_code"] == 500


@pytest.mark.parametrize("headers", [{}, UNSAMPLED, {"traceparent": "nonsense"}, {"b3": "0"}])
async def test_what_the_caller_does_not_sample_makes_no_span(collector, secret, headers):
    line = Line(collector, secret)
    assert await line.check(**headers) == (200, "")
    await line.close()
    assert not collector.spans


async def test_a_sampled_check_leaves_no_trace_to_the_next_on_the_same_connection(collector, secret):
    line = Line(collector, secret)
    await line.check("one", **SAMPLED)
    await line.check("two", **UNSAMPLED)
    await line.close()
    assert sorted(span.name for span in collector.spans) == ["Check", "POST 127.0.0.1"]


async def test_a_flood_that_asks_to_be_traced_is_so_many_spans(collector, secret):
    line = Line(collector, secret, bucket=lambda _: Bucket(2, lambda: 0.0))
    for _ in range(100):
        await line.check(**SAMPLED)
    await line.close()
    assert len([span for span in collector.spans if span.name == "Check"]) == 2 * BURST_S


async def test_a_check_whose_caller_has_gone_has_a_span_too(collector, secret):
    line = Line(collector, secret)
    raw = ask("/a", host=HOST, authorization=f"Bearer {SECRET}", **SAMPLED)
    call = asyncio.create_task(line.service.rpc(raw))
    await asyncio.sleep(0)
    call.cancel()
    assert outcome(await call) == (503, "INTERNAL_ERROR")
    await line.close()
    (check,) = [span for span in collector.spans if span.name == "Check"]
    assert told(check)["authz.reason"] == "INTERNAL_ERROR"


async def test_a_collector_that_is_down_costs_spans_and_nothing_else(secret):
    with _listening() as gone:
        pass
    with _listening() as issuer:
        line = Line(issuer, secret)
        line.tracing = line.service._tracing = Tracing(f"{gone.url}/v1/traces", 100)
        assert await line.check(**SAMPLED) == (200, "")
        await line.close()
