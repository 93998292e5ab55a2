"""`authz serve`: one replica in this process, or a process that watches over several workers."""

import asyncio
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from authz import config
from authz.config import Config
from authz.server import admin, workers
from authz.server.console import app as console
from authz.server.console.crew import Crew
from authz.server.h2 import server as h2
from authz.server.replica import Replica
from authz.server.signing import Signing, kept
from authz.server.telemetry import configure_logging
from authz.server.tls import Certificates

_log = structlog.get_logger()


def serve(path: Path, worker: Path | None = None) -> int:
    """Run until SIGTERM or SIGINT. 1 if the configuration is bad or a port is taken.

    `worker` makes this one of several: it is the socket for its admin page.
    """
    configure_logging()
    try:
        uvloop.run(_run(path, config.read(path), worker))
    except config.Invalid as invalid:
        for problem in invalid.problems:
            _log.error("can not start", problem=f"{path}: {problem}")
        return 1
    except OSError as error:
        _log.error("can not start", problem=str(error))
        return 1
    return 0


async def _run(path: Path, settings: Config, worker: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    tokens = settings.identity_tokens
    signing = Signing(tokens) if tokens.keys else None
    async with kept(signing, None if worker else tokens.listen):
        if worker:
            parent, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: _Parent(stop), sys.stdin)
            await Replica(path, settings, f"unix:{worker}", signing).run(stop, reuse_port=True)
            parent.close()
        elif settings.workers == 1:
            await Replica(path, settings, settings.listen.admin, signing).run(stop)
        else:
            await _supervise(path, settings, signing, stop)


async def _supervise(path: Path, settings: Config, signing: Signing | None, stop: asyncio.Event) -> None:
    if settings.listen.tls:
        Certificates(settings.listen.tls)  # a mistake ends it here, not one worker after the other
    h2.listen(settings.listen.grpc, reuse_port=False).close()  # the workers could share it with a stranger
    crew = workers.Workers(settings.workers, workers.command(path))
    listen, keys = settings.listen, signing.jwks if signing else None
    view = Crew(crew.sockets)
    shown = console.routes(view, anyone=listen.console == "anyone") if listen.console != "none" else ()
    page = admin.Server(admin.app(crew.ready, crew.metrics, keys, shown), listen.admin)
    await page.start()
    _log.info("starting workers", count=settings.workers)
    await crew.run(stop)
    await page.stop()


class _Parent(asyncio.Protocol):
    """Standard input is a pipe from the parent that nobody writes to: its end is the parent's."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop

    def connection_lost(self, _: Exception | None) -> None:
        self._stop.set()
