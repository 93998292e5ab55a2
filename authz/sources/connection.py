"""A connection to a source, which is to answer what it is asked and say no more (RFC 9112 9.3).

aiohttp takes whatever came meanwhile for the answer to the next question: the one about somebody else.
"""

from functools import partial
from typing import Any

from aiohttp import ClientConnectionError, TCPConnector
from aiohttp.client_proto import ResponseHandler

INTERIM_MAX = 8  # answers before the answer (RFC 9110 15.2); most send none
ANSWER_MAX_BYTES = (
    2 << 20
)  # as it travels: twice the longest body; in pieces of one byte that takes six times

_FINAL = 200


class Connector(TCPConnector):
    """Makes them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._factory = partial(_Connection, loop=self._loop)  # type: ignore[assignment]  # a subclass


class _Connection(ResponseHandler):
    """Hangs up on a source that speaks without being asked, or without end."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._room = ANSWER_MAX_BYTES
        self._interim = 0
        self._body: Any = None  # of the answer, once it has begun

    def set_response_params(self, **settings: Any) -> None:
        """A question is about to be asked."""
        self._room, self._interim, self._body = ANSWER_MAX_BYTES, 0, None
        super().set_response_params(**settings)

    def data_received(self, data: bytes) -> None:
        self._room -= len(data)
        if self._room < 0 or (data and self._body is not None and self._body.is_eof()):
            self._hang_up()
        else:
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """The head of an answer, with its body to come."""
        message, body = data
        self._interim += message.code < _FINAL
        if self._body is not None or self._interim > INTERIM_MAX:
            self._hang_up()
            return
        self._body = body if message.code >= _FINAL else None
        super().feed_data(data, size)

    def _hang_up(self) -> None:
        self.set_exception(ClientConnectionError("it says more than it was asked"))
        if self.transport:
            self.transport.abort()
