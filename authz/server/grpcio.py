"""The transport on grpcio's asyncio server: raw bytes to the service and back.

Health is `grpc.health.v1`; there is no reflection.
"""

import asyncio
from math import inf
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from authz.core import trace
from authz.server import service
from authz.server.service import Service

MESSAGE_MAX_BYTES = 1 << 20  # headers are at most 60 KiB; the rest is room for a configured body
STREAMS_MAX = 10_000  # calls at once on one connection; Envoy opens one connection per worker thread
DRAIN_S = 10.0  # what is not answered by then is cancelled, and refused
AGE_MAX_MS = (1 << 31) - 1  # what grpcio can hold, and takes for never


class Server:
    """Listens from `start` to `stop`; NOT_SERVING until `serving` says otherwise.

    Connections are drained at `age_s`, give or take a tenth (grpcio's own choice).
    """

    def __init__(self, answers: Service, address: str, age_s: float = inf) -> None:
        self._answers = answers
        self._address = address
        self._age_ms = int(min(age_s * 1000, AGE_MAX_MS))
        self._health = health.aio.HealthServicer()

    async def start(self, *, reuse_port: bool = False) -> None:
        """Raises OSError if the address can not be had. With `reuse_port` others may share it."""
        options = (
            ("grpc.max_receive_message_length", MESSAGE_MAX_BYTES),
            ("grpc.max_concurrent_streams", STREAMS_MAX),
            ("grpc.so_reuseport", int(reuse_port)),
            ("grpc.max_connection_age_ms", self._age_ms),
            ("grpc.max_connection_age_grace_ms", int(DRAIN_S * 1000)),
        )
        self._server = grpc.aio.server(options=options)
        self._server.add_generic_rpc_handlers((_handlers(self._answers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        await self.serving(ready=False)
        try:
            self._server.add_insecure_port(self._address)
        except RuntimeError as error:
            raise OSError(f"can not listen on {self._address}: is another process there?") from error
        await self._server.start()

    async def serving(self, *, ready: bool) -> None:
        """What health checks are told, for the server and for the service."""
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if ready else states.NOT_SERVING
        await asyncio.gather(*(self._health.set(name, state) for name in ("", service.NAME)))

    async def stop(self) -> None:
        """Take no new calls, let those in flight finish."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(DRAIN_S)


def _handlers(answers: Service) -> Any:
    async def check(raw: bytes, call: Any) -> bytes:
        told = {name: value for name, value in call.invocation_metadata() if name in trace.FIELDS}
        return await answers.rpc(raw, told)

    return grpc.method_handlers_generic_handler(
        service.NAME, {"Check": grpc.unary_unary_rpc_method_handler(check)}
    )
