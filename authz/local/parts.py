"""What runs here, programs and servers of ours: all of it ends with the stack that they are put on.

`heard` gets the name of a part and each line that it writes.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from starlette.applications import Starlette

from authz.local import echo
from authz.local.failure import CannotRun
from authz.local.ports import LOOPBACK
from authz.local.process import NOTHING_MORE, Process
from authz.server.admin import BEHIND_ENVOY_S, Server

Heard = Callable[[str, str], None]


def unheard(_part: str, _line: str) -> None:
    """Says nothing of what the parts write: for tests and the demonstration."""


class Parts:
    """Ended in the reverse of the order in which they were started."""

    def __init__(self, stack: AsyncExitStack, heard: Heard = unheard) -> None:
        self.heard = heard
        self._stack = stack
        self._echoes: set[int] = set()

    async def run(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] = NOTHING_MORE
    ) -> Process:
        """A program, by the name that it has among us."""
        program = await Process.start(name, command, lambda line: self.heard(name, line), environment)
        self._stack.push_async_callback(program.stop)
        return program

    async def serve(self, application: Starlette, port: int) -> Server:
        """Raises CannotRun if the port is taken."""
        server = Server(application, f"{LOOPBACK}:{port}", BEHIND_ENVOY_S)
        try:
            await server.start()
        except OSError as error:
            raise CannotRun([str(error)]) from error
        self._stack.push_async_callback(server.stop)
        return server

    async def echo(self, host: str, port: int) -> None:
        """A workload of that name, unless there is one at that port."""
        if port not in self._echoes:
            await self.serve(echo.app(host), port)
            self._echoes.add(port)
