"""Putting the authorizer together, and its life from start to SIGTERM."""

import asyncio
import signal
import time
from pathlib import Path

import structlog
import uvloop

from authz import __version__, config
from authz.config import Config
from authz.core.policy import Accept, Policy
from authz.server import admin, files, grpcio, reload
from authz.server.files import Loaded
from authz.server.h2 import server as h2
from authz.server.service import Service
from authz.server.telemetry import Telemetry, configure_logging
from authz.sources.fetched import Refresh
from authz.sources.http import Client
from authz.sources.registry import Sources

_log = structlog.get_logger()

_FIXED = ("listen", "workers", "transport", "sources")  # a change of these takes a restart


class Authorizer:
    """The service with its sources, policy and ports. `path` is the configuration file."""

    def __init__(self, path: Path, settings: Config) -> None:
        self._path = path
        self._settings = settings
        self._client, self._sources = sources_of(settings)
        self._telemetry = Telemetry(settings.log.decisions)
        self._telemetry.watch(self._sources)
        self._service = Service(self._sources, self._telemetry)
        self._server = self._transport()
        self._loaded: Loaded | None = None
        self._ready = False
        self._admin = admin.Server(admin.app(self._telemetry, lambda: self._ready), settings.listen.admin)

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set. Raises OSError if a port is taken."""
        await self._admin.start()
        await self._server.start()
        self._load()
        await self._warm()
        self._ready = True
        await self._server.serving(ready=True)
        _log.info("serving", version=__version__, grpc=self._settings.listen.grpc)
        watching = asyncio.create_task(reload.loop(self._paths, self._reload))
        await stop.wait()
        _log.info("draining")
        watching.cancel()
        self._ready = False
        await self._server.stop()
        await self._admin.stop()
        await self._sources.close()
        await self._client.close()

    def _transport(self) -> grpcio.Server | h2.Server:
        if self._settings.transport == "grpcio":
            return grpcio.Server(self._service, self._settings.listen.grpc)
        server = h2.Server(self._service, self._settings.listen.grpc)
        self._telemetry.count(server.refused)
        return server

    def _paths(self) -> list[Path]:
        return [self._path, *_policy_files(self._path, self._settings)]

    async def _reload(self) -> None:
        try:
            settings = config.parse(self._path.read_text(encoding="utf-8"))
        except (config.Invalid, OSError) as error:
            _log.error("the configuration keeps its last good version", problems=_lines(self._path, error))
            return
        for name in _FIXED:
            if getattr(settings, name) != getattr(self._settings, name):
                _log.warning("a change of this setting takes a restart", setting=name)
        self._settings = settings
        self._telemetry.decisions = settings.log.decisions
        self._load()

    def _load(self) -> None:
        found = files.read(_policy_files(self._path, self._settings))
        loaded = self._loaded = files.load(found, self._settings, self._loaded)
        for problem in loaded.problems:
            _log.error("a rule is not enforced as written", problem=problem)
        self._sources.keep(accepts(loaded.policy))
        self._service.policy = loaded.policy
        rules = sum(len(host.rules) for host in loaded.policy.hosts.values())
        self._telemetry.loaded(rules, len(loaded.problems))
        _log.info("policy loaded", hosts=len(loaded.policy.hosts), rules=rules)

    async def _warm(self) -> None:
        """Ask every source once, so that the first callers need not wait; one that fails holds up nobody."""
        for name, text in await self._sources.warm():
            _log.warning("a source did not answer", source=name, error=text)


def serve(path: Path) -> int:
    """Run until SIGTERM or SIGINT. 1 if the configuration is bad or a port is taken."""
    configure_logging()
    try:
        settings = config.parse(path.read_text(encoding="utf-8"))
        uvloop.run(_until_signal(path, settings))
    except (config.Invalid, OSError) as error:
        for line in _lines(path, error):
            _log.error("can not start", problem=line)
        return 1
    return 0


def accepts(policy: Policy) -> list[Accept]:
    """Everyone whom some rule accepts."""
    return [
        accept
        for host in policy.hosts.values()
        for rule in host.rules
        for check in rule.checks
        for accept in check.authorizer.accept
    ]


def sources_of(settings: Config) -> tuple[Client, Sources]:
    """The client and what asks through it, as configured."""
    client = Client(
        timeout_s=settings.sources.timeout,
        plain_http_hosts=frozenset(settings.sources.plain_http_hosts),
        ca_file=settings.sources.ca_file,
    )
    refresh = Refresh(
        ttl_s=settings.sources.ttl,
        cooldown_s=settings.sources.refresh_cooldown,
        stale_s=settings.sources.stale,
    )
    return client, Sources(client, time.monotonic, refresh)


async def _until_signal(path: Path, settings: Config) -> None:
    authorizer = Authorizer(path, settings)  # within the loop, to which grpcio's server is bound
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await authorizer.run(stop)


def _policy_files(path: Path, settings: Config) -> list[Path]:
    return [path.parent / name for name in settings.policy.files]


def _lines(path: Path, error: Exception) -> list[str]:
    if isinstance(error, config.Invalid):
        return [f"{path}: {where}: {message}" for where, message in error.problems]
    return [str(error)]
