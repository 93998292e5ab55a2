"""The controller put together: watches that are always warm, an election, and what the leader does.

It holds no rule of its own; whoever runs it gives it a way to the API server and a configuration.
"""

import asyncio
import gc
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from uuid import uuid4

import structlog

from authz import config
from authz.controller.api import Api
from authz.controller.election import Election
from authz.controller.events import Events
from authz.controller.kubeconfig import Access
from authz.controller.leader import Leader
from authz.controller.reconcile import Reconciler
from authz.controller.telemetry import Telemetry
from authz.controller.watch import Watch
from authz.controller.workqueue import Queue
from authz.controller.world import World
from authz.core.policy import Authorizer
from authz.istio import policy
from authz.istio.cluster import Settings

LEASE = "authz-controller"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Clocks:
    """In seconds: one that is never set, and the time of day since 1970. Those of replicas may differ."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time


class Controller:
    """Made and run in one event loop."""

    def __init__(
        self,
        access: Access,
        settings: Settings,
        authorizers: Mapping[str, Authorizer],
        own: config.Controller,
        clocks: Clocks,
    ) -> None:
        headers = policy.identity_headers(authorizers.values())
        self._reading = Api(access)
        self._electing = Api(access, connections=1)
        identity = f"{socket.gethostname()}_{os.getpid()}_{uuid4()}"
        self.election = Election(self._electing, f"{own.lease_namespace}/{LEASE}", identity, clocks.monotonic)
        self._writing = Api(access, may_write=self.election.leads)
        self._telling = Api(access, connections=1, may_write=self.election.leads)
        self.queue = Queue(clocks.monotonic)
        self.world = World(settings, authorizers, headers, self.queue.add)
        self.watches = [Watch(self._reading, kind, store) for kind, store in self.world.stores.items()]
        self.telemetry = Telemetry()
        self.telemetry.show(self._gauges, self._writing.requests)
        self._events = Events(self._telling, lambda: self.queue.idle)
        reconciler = Reconciler(self._writing, self.world, self.telemetry, self._events, clocks.wall)
        reconciler.guards_outlive_s = own.guards_outlive
        self._leader = Leader(self.queue, reconciler, self.telemetry)

    @property
    def synced(self) -> bool:
        """True once everything there is has been seen."""
        return all(watch.synced.is_set() for watch in self.watches)

    @property
    def requests(self) -> Mapping[tuple[str, str, str], int]:
        """Of those that write: by verb, resource and outcome."""
        return self._writing.requests

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set."""
        tasks = [asyncio.create_task(loop) for loop in self._loops()]
        stopped = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*tasks, stopped):
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            await self._writing.rest()  # or the next one leads while a write of ours is under way
            await self.election.release()
            await self.close()
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def close(self) -> None:
        """For one that does not run: the other ends by itself."""
        apis = (self._reading, self._electing, self._writing, self._telling)
        await asyncio.gather(*(api.close() for api in apis))

    def _loops(self) -> Iterator[Coroutine[None, None, None]]:
        yield from (watch.run() for watch in self.watches)
        yield self._events.run()
        yield self._take_part()

    async def _take_part(self) -> None:
        """Who does not know the cluster does not lead."""
        for watch in self.watches:
            await watch.synced.wait()
        gc.collect()
        gc.freeze()  # what is known by now stays: 10,000 APIRules would be gone through again and again
        _log.info("synced", apirules=len(self.world.rules.known))
        async with asyncio.TaskGroup() as group:
            group.create_task(self.election.run())
            group.create_task(self._lead())

    async def _lead(self) -> None:
        while True:
            await self.election.until(leads=True)
            work = asyncio.create_task(self._work())
            ended = asyncio.create_task(self.election.until(leads=False))
            try:
                await asyncio.wait({work, ended}, return_when=asyncio.FIRST_COMPLETED)
                if work.done():
                    work.result()  # a bug: who can not work must not keep the lease
            finally:  # also of one that is told to stop: it writes nothing once it lets go of the lease
                for task in (work, ended):
                    task.cancel()
                await asyncio.gather(work, ended, return_exceptions=True)
                self._rest()

    def _rest(self) -> None:
        """Another one works on it, and tells of it."""
        self.queue.clear()
        self.telemetry.clear()

    async def _work(self) -> None:
        await asyncio.gather(*(watch.fresh() for watch in self.watches))
        self.queue.clear()
        for key in self.world.keys:
            self.queue.add(key)
        await self._leader.run()

    def _gauges(self) -> Mapping[str, Mapping[str, float]]:
        leads = self.election.leads()
        return {
            "authz_controller_leads": {"": float(leads)},
            "authz_controller_queue_depth": {"": len(self.queue) if leads else 0},  # or nobody takes from it
            "authz_controller_queue_failing": {"": self.queue.failing},
            "authz_controller_objects": {one.kind.plural: len(one.store.known) for one in self.watches},
            "authz_controller_watch_lists": {one.kind.plural: one.lists for one in self.watches},
            "authz_controller_watch_failures": {one.kind.plural: one.failures for one in self.watches},
        }
