"""`authz controller`: from the configuration file to a controller that runs until it is told to stop."""

import asyncio
import signal
from pathlib import Path

import structlog
import uvloop

from authz import config
from authz.config import Config
from authz.controller import kubeconfig
from authz.controller.controller import Clocks, Controller
from authz.server import admin
from authz.server.authorizers import authorizers_of
from authz.server.ruleset import mesh_of
from authz.server.telemetry import configure_logging

CLOCKS = Clocks()  # the machine's

_log = structlog.get_logger()


def control(path: Path, clocks: Clocks = CLOCKS) -> int:
    """Run until SIGTERM or SIGINT. 1 if the configuration is bad, a port is taken or there is no cluster."""
    configure_logging()
    try:
        settings = config.read(path)
        uvloop.run(_run(settings, kubeconfig.find(settings.kubernetes.kubeconfig), clocks))
    except config.Invalid as invalid:
        for problem in invalid.problems:
            _log.error("can not start", problem=f"{path}: {problem}")
        return 1
    except OSError as error:
        _log.error("can not start", problem=str(error))
        return 1
    return 0


async def _run(settings: Config, access: kubeconfig.Access, clocks: Clocks) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    controller = made(settings, access, clocks)

    async def is_ready() -> bool:
        return controller.synced

    async def page() -> bytes:
        return controller.telemetry.page()

    server = admin.Server(admin.app(is_ready, page), settings.controller.admin)
    try:
        await server.start()
    except OSError:
        await controller.close()
        raise
    try:
        await controller.run(stop)
    finally:
        await server.stop()


def made(settings: Config, access: kubeconfig.Access, clocks: Clocks = CLOCKS) -> Controller:
    """As configured. Needs a running event loop."""
    return Controller(access, mesh_of(settings), authorizers_of(settings), settings.controller, clocks)
