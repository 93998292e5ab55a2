"""One authorizer: the service with its sources, policy and ports, from start to drain."""

import asyncio
import gc
import time
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from starlette.routing import Route

from authz import __version__, config
from authz.config import Config
from authz.server import admin, asked, files, reload, ruleset
from authz.server.console import app as console
from authz.server.console.recent import Recent
from authz.server.console.view import Own
from authz.server.decision_log import DecisionLog
from authz.server.h2 import server as h2
from authz.server.h2.limits import LIMITS
from authz.server.ruleset import Loaded
from authz.server.service import Service
from authz.server.signing import Signing
from authz.server.telemetry import Telemetry
from authz.server.tls import Certificates

if TYPE_CHECKING:
    from authz.server import grpcio
    from authz.server.following import Following

_log = structlog.get_logger()

GC_YOUNG = 20_000  # objects made before the youngest are looked at: some 200 tokens never seen before

# A change of these takes a restart.
_FIXED = ("listen", "workers", "transport", "sources", "identity_tokens", "tracing")


class Replica:
    """`path` is the configuration file; `page` the address of the admin port."""

    def __init__(self, path: Path, settings: Config, page: str, signing: Signing | None = None) -> None:
        self._path = path
        self._started = self._settings = settings
        self._seen = reload.fingerprint(self._paths())
        self._tracing = asked.tracing(settings.tracing)
        self._client, self._sources = asked.sources_of(settings, self._tracing)
        self._log = DecisionLog(settings.log)
        self._recent = Recent() if settings.listen.console != "none" else None
        self._telemetry = Telemetry(self._log, self._recent)
        self._telemetry.watch(self._sources)
        signer = signing.signer if signing else None
        self._service = Service(self._sources, self._telemetry, signer=signer, tracing=self._tracing)
        self._telemetry.under_way(lambda: self._service.in_flight)
        self._certificates = Certificates(settings.listen.tls) if settings.listen.tls else None
        if certificates := self._certificates:
            self._telemetry.certificate(lambda: certificates.ends_at - time.time())
        self._seen_tls = reload.fingerprint(self._certificates.files if self._certificates else ())
        self._server = self._transport()
        self._loading = asyncio.Lock()
        self._loaded: Loaded | None = None
        self._following = self._follow() if settings.policy.kubernetes else None
        self._ready = self._listening = False
        keys = signing.jwks if signing else None
        self._admin = admin.Server(
            admin.app(self._is_ready, self._metrics, keys, self._console()),
            page,
        )

    async def run(self, stop: asyncio.Event, *, reuse_port: bool = False) -> None:
        """Serve until `stop` is set. Raises OSError if a port is taken."""
        await self._admin.start()
        if not reuse_port:  # a port that is taken is better known at once
            await self._listen(reuse_port=False)
        watching = [asyncio.create_task(loop) for loop in self._loops()]
        beginning, stopped = asyncio.create_task(self._begin()), asyncio.create_task(stop.wait())
        await asyncio.wait([beginning, stopped, *watching], return_when=asyncio.FIRST_COMPLETED)
        if beginning.done():
            beginning.result()
            await asyncio.wait([stopped, *watching], return_when=asyncio.FIRST_COMPLETED)
        for task in watching:
            if task.done():
                task.result()  # a bug: its rules would be those of this moment for ever
        _log.info("draining")
        for task in (beginning, *watching):
            task.cancel()
        self._ready = False
        if self._listening:
            await self._server.stop()
        await self._admin.stop()
        if self._following:
            await self._following.close()
        await self._sources.close()
        await self._client.close()
        if self._tracing:
            await self._tracing.close()

    async def _begin(self) -> None:
        """A cluster may be long in coming; whoever asks meanwhile is refused."""
        await self._load()
        await self._warm()
        _settle()
        if not self._listening:  # a port that is shared: from now on the kernel gives it connections
            await self._listen(reuse_port=True)
        self._ready = True
        await self._server.serving(ready=True)
        _log.info("serving", version=__version__, grpc=self._settings.listen.grpc)

    async def _listen(self, *, reuse_port: bool) -> None:
        await self._server.start(reuse_port=reuse_port)
        self._listening = True

    def _follow(self) -> "Following":
        from authz.server.following import Following  # noqa: PLC0415  # 8 MiB, for clusters only

        return Following(self._settings, self._enforce)

    def _transport(self) -> "grpcio.Server | h2.Server":
        where, age_s = self._settings.listen.grpc, self._settings.listen.max_connection_age
        if self._settings.transport == "grpcio":
            from authz.server import grpcio  # noqa: PLC0415  # 8 MiB, which h2 does not need

            return grpcio.Server(self._service, where, age_s)
        limits = replace(LIMITS, age_s=age_s)
        server = h2.Server(self._service, where, self._certificates, limits)
        self._telemetry.count(server.refused)
        self._telemetry.connections(lambda: server.connections if self._listening else 0)
        return server

    def _console(self) -> Iterable[Route]:
        if self._recent is None:
            return ()
        own = Own(lambda: self._loaded, self._sources, self._recent)
        return console.routes(own, anyone=self._settings.listen.console == "anyone")

    async def _is_ready(self) -> bool:
        return self._ready

    async def _metrics(self) -> bytes:
        return await self._telemetry.page_aside()

    def _loops(self) -> Iterator[Coroutine[None, None, None]]:
        yield reload.loop(self._paths, self._reload, self._seen)
        if certificates := self._certificates:
            yield reload.loop(lambda: certificates.files, partial(_reload, certificates), self._seen_tls)
        if self._following:
            yield from self._following.loops()

    def _paths(self) -> list[Path]:
        return [self._path, *_policy_files(self._path, self._settings)]

    async def _reload(self) -> None:
        try:
            settings = config.read(self._path)
        except config.Invalid as invalid:
            problems = [f"{self._path}: {problem}" for problem in invalid.problems]
            _log.error("the configuration keeps its last good version", problems=problems)
            self._telemetry.problems(len(problems))
            return
        for name in _FIXED:
            if getattr(settings, name) != getattr(self._started, name):
                _log.warning("a change of this setting takes a restart", setting=name)
        if bool(settings.policy.kubernetes) != bool(self._following):
            _log.warning("a change of this setting takes a restart", setting="policy.kubernetes")
        self._settings = settings
        self._log.configure(settings.log)
        await self._load()

    async def _load(self) -> None:
        """In a thread, so that checks go on being answered."""
        if self._following:
            self._following.configure(self._settings)
            await self._following.synced()
        else:
            async with self._loading:  # what was read first must not be enforced last
                self._enforce(await asyncio.to_thread(self._read))

    def _enforce(self, loaded: Loaded) -> None:
        known = self._loaded.problems if self._loaded else ()
        self._loaded = loaded
        for problem in loaded.problems if loaded.problems != known else ():
            _log.error("a rule is not enforced as written", problem=problem)
        self._sources.keep(asked.accepts(loaded))
        self._service.policy = loaded.policy
        rules = [rule.name for host in loaded.policy.hosts.values() for rule in host.rules]
        self._telemetry.rules(rules)
        self._telemetry.problems(len(loaded.problems))
        _log.info("policy loaded", hosts=len(loaded.policy.hosts), rules=len(rules))

    def _read(self) -> Loaded:
        return ruleset.load(
            files.read(_policy_files(self._path, self._settings)), self._settings, self._loaded
        )

    async def _warm(self) -> None:
        """Ask every source once, so that the first callers need not wait; one that fails holds up nobody."""
        for name, text in await self._sources.warm():
            _log.warning("a source did not answer", source=name, error=text)


def _settle() -> None:
    """What is here now stays: it need not be looked at again, and full collections no longer take long."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_YOUNG)


async def _reload(certificates: Certificates) -> None:
    try:
        certificates.reload()
    except OSError as error:
        _log.error("the certificates keep their last good version", problem=str(error))
    else:
        _log.info("certificates loaded")


def _policy_files(path: Path, settings: Config) -> list[Path]:
    return [path.parent / name for name in settings.policy.files]
