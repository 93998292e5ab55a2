"""`grpc.health.v1` without a framework: Check answers now, Watch again whenever the state changes.

It knows states and who watches them, and nothing of streams.
"""

from collections.abc import Callable, Iterable

from google.protobuf.message import DecodeError
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from authz.server.h2 import grpc

CHECK = b"/grpc.health.v1.Health/Check"
WATCH = b"/grpc.health.v1.Health/Watch"

_State = HealthCheckResponse

Tell = Callable[[bytes], None]


class Health:
    """Of the services named, all in one state: NOT_SERVING until told otherwise."""

    def __init__(self, names: Iterable[str]) -> None:
        self._states = dict.fromkeys(names, _State.NOT_SERVING)
        self._watching: dict[Tell, str] = {}

    def set(self, *, ready: bool) -> None:
        """Tell those who watch, if this is news."""
        state = _State.SERVING if ready else _State.NOT_SERVING
        changed = {name for name, before in self._states.items() if before != state}
        self._states = dict.fromkeys(self._states, state)
        for tell, name in list(self._watching.items()):
            if name in changed:
                tell(self._message(name))

    def check(self, raw: bytes) -> bytes:
        """A HealthCheckResponse. Raises Refusal for what is no request, and for unknown services."""
        name = _name(raw)
        if name not in self._states:
            raise grpc.Refusal(grpc.UNKNOWN_SERVICE)
        return self._message(name)

    def watch(self, raw: bytes, tell: Tell) -> bytes:
        """The first HealthCheckResponse; `tell` is given those that follow. Raises Refusal."""
        name = _name(raw)
        self._watching[tell] = name
        return self._message(name)

    def leave(self, tell: Tell) -> None:
        """Watch no more."""
        self._watching.pop(tell, None)

    def _message(self, name: str) -> bytes:
        state = self._states.get(name, _State.SERVICE_UNKNOWN)
        raw: bytes = HealthCheckResponse(status=state).SerializeToString()
        return raw


def _name(raw: bytes) -> str:
    try:
        name: str = HealthCheckRequest.FromString(raw).service
    except DecodeError as error:
        raise grpc.Refusal(grpc.NO_REQUEST) from error
    return name
