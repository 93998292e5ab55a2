"""The service both transports offer: bytes of a CheckRequest in, bytes of a CheckResponse out.

Whatever happens in between, an answer comes out, and a failure is a refusal.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog
from google.protobuf.message import DecodeError

from authz.check import Verified, check
from authz.core.assertion import Signer
from authz.core.decision import Allow, Decision, Deny
from authz.core.memo import Memo
from authz.core.policy import Policy
from authz.core.reason import Reason
from authz.core.request import Request
from authz.server import wire
from authz.server.telemetry import Telemetry
from authz.sources.registry import Sources

if TYPE_CHECKING:
    from authz.server.tracing import Tracing

NAME = "envoy.service.auth.v3.Authorization"
METHOD = f"/{NAME}/Check"

MEMO_LENGTH = 16 << 20  # characters of all remembered tokens: 10,000 usual ones; claims take thrice that

_log = structlog.get_logger()
_unharmed = suppress(Exception)
_UNKNOWN = Request("", "", "")


class Service:
    """`policy` is replaced by one write; None until the first is loaded. `in_flight` counts open checks."""

    def __init__(
        self,
        sources: Sources,
        telemetry: Telemetry,
        clock: Callable[[], float] = time.time,
        signer: Signer | None = None,
        tracing: "Tracing | None" = None,
    ) -> None:
        self.policy: Policy | None = None
        self.in_flight = 0
        self._sources = sources
        self._telemetry = telemetry
        self._clock = clock
        self._signer = signer
        self._tracing = tracing
        self._memo = Memo[Verified](MEMO_LENGTH)

    async def rpc(self, raw: bytes, told: Mapping[str, str] = _UNKNOWN.told) -> bytes:
        """Never raises: a malformed message, a bug and a cancelled call are refused with 503.

        `told` are those of the call's own fields that tell of a trace.
        """
        started = time.perf_counter()
        self.in_flight += 1
        request, traced = _UNKNOWN, None
        try:
            request = wire.decode(raw)
            if told:
                request = request._replace(told=told)
            traced = self._tracing.begin(request) if self._tracing else None
            decision = await (traced.run(self._decide(request)) if traced else self._decide(request))
            answer = wire.encode(decision, request.id)
        except DecodeError:
            decision, answer = _failed("the message is not a CheckRequest", request)
        except asyncio.CancelledError:
            decision, answer = _failed("the call was cancelled", request)
        except Exception as error:
            decision, answer = _failed(f"a bug: {type(error).__name__}", request)
            with _unharmed:
                _log.exception("check failed", request_id=request.id)
        self.in_flight -= 1
        with _unharmed:  # an answer is not held up because nobody can be told of it
            self._telemetry.record(request, decision, time.perf_counter() - started)
            if traced:
                traced.end(request, decision)
        return answer

    async def _decide(self, request: Request) -> Decision:
        policy = self.policy  # of one request all is decided by one, whatever is loaded meanwhile
        if policy is None:
            return Deny(Reason.NOT_READY)
        now = self._clock()
        decision = await check(request, policy, self._sources, self._memo, now)
        if self._signer and isinstance(decision, Allow):
            return self._signer.seal(decision, policy, request, now)
        return decision


def _failed(note: str, request: Request) -> tuple[Deny, bytes]:
    deny = Deny(Reason.INTERNAL_ERROR, note=note)
    return deny, wire.denied(deny, request.id)
